"""Read attributes of customers, each tagged with its basis of segmentation."""

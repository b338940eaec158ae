"""Who the customers are: what is known of them beside what they did, each column tagged with its basis."""

from segkit._standard import BASES
from segkit.attributes._attributes import Attributes
from segkit.attributes._joining import bases, with_attributes
from segkit.attributes._reading import read_attributes
from segkit.attributes._regions import Region
from segkit.attributes._scales import Scale

__all__ = ["BASES", "Attributes", "Region", "Scale", "bases", "read_attributes", "with_attributes"]

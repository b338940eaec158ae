"""Say how sure each customer's segment is."""

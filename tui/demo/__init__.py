"""The cockpit without a home: recorded campaigns, and pictures made of them."""

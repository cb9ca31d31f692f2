"""The benefit of a route to symmetry: a method compared with its model without the route.

They are compared in error and in training samples.
"""

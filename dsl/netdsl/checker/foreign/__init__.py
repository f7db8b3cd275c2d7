"""Calls as other frameworks write them, recognised and said in our words."""

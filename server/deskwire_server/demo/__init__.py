"""The demo tenant: Brindlewave, a fictional company with help articles and a user of each role."""

"""What `make canary` and its test consist of.

bed    two releases behind HAProxy, and what the controller is started with
relay  stands in front of the canary and fails as it is told
load   users who ask
"""

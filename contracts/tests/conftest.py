"""Pact reports its use to its makers unless told not to, before it is imported."""

import os

os.environ["PACT_DO_NOT_TRACK"] = "true"

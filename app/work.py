"""The kinds of jobs that this service's workers know."""

from __future__ import annotations

from app.jobs import Kinds

KINDS: Kinds = {}

"""The verbs of agents, skills and tasks: those every kind has."""

from mooring.audit.verbs import Verbs
from mooring.catalog.kinds import AGENT, SKILL, TASK

AGENTS = Verbs(kind=AGENT)
SKILLS = Verbs(kind=SKILL)
TASKS = Verbs(kind=TASK)

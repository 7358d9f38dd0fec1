"""From a Request to a Plan: fetch what it names and pin it. A contact: no transaction is open meanwhile."""

from dataclasses import dataclass
from pathlib import Path

import msgspec
import yaml

from mooring.base.errors import Unfit
from mooring.base.git import Mirrors, Pinned
from mooring.base.giturl import GitSource
from mooring.sessions.credentials import Credentials
from mooring.sessions.plan import AskedSkill, Plan, Repository, Request, slug_of, source_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """The plan, and the bundles its repositories number."""

    plan: Plan
    bundles: tuple[Path, ...]


class _Bundles:
    """Numbers bundles as they come; one that comes again keeps its number."""

    def __init__(self) -> None:
        self.paths: list[Path] = []

    def number(self, path: Path) -> int:
        if path not in self.paths:
            self.paths.append(path)
        return self.paths.index(path)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fetch:
    """Pins repositories as the session's group; without credentials as nobody in particular."""

    mirrors: Mirrors
    credentials: Credentials | None

    async def pin(self, source: GitSource) -> Pinned:
        credential = None if self.credentials is None else await self.credentials.of(source.url)
        return await self.mirrors.pin(source.url, source.ref, credential)

    async def text(self, pinned: Pinned, path: str) -> str | None:
        return await self.mirrors.text(pinned, path)


async def prepare(request: Request, mirrors: Mirrors, credentials: Credentials | None = None) -> Prepared:
    """Pin every repository. Raises Missing, Unfit or Unavailable, naming the repository, ref or file; Withheld."""
    bundles, fetch = _Bundles(), _Fetch(mirrors=mirrors, credentials=credentials)
    repository = await _pinned(source_of(request.repo_url), fetch, bundles)
    skills = [await _skill(skill, fetch, bundles) for skill in request.skills]
    tasks = [await _pinned(source_of(task.repo_url), fetch, bundles) for task in request.tasks]
    agent, instructions = await _agent(request, fetch, bundles)
    plan = Plan(
        request=request,
        instructions=instructions,
        repository=repository,
        skills=tuple(skills),
        tasks=tuple(tasks),
        agent=agent,
    )
    return Prepared(plan=plan, bundles=tuple(bundles.paths))


async def _pinned(source: GitSource | None, fetch: _Fetch, bundles: _Bundles) -> Repository | None:
    if source is None:
        return None
    pinned = await fetch.pin(source)
    return _repository(source, pinned, bundles)


def _repository(source: GitSource, pinned: Pinned, bundles: _Bundles) -> Repository:
    number = bundles.number(pinned.bundle)
    return Repository(url=source.url, ref=source.ref, path=source.path, commit=pinned.commit, input=number)


async def _agent(request: Request, fetch: _Fetch, bundles: _Bundles) -> tuple[Repository | None, str]:
    """The agent's repository, and its prompt with the AGENTS.md from there behind it."""
    source = source_of(request.agent.repo_url)
    texts = [request.agent.prompt or ""]
    if source is None:
        return None, texts[0]
    pinned = await fetch.pin(source)
    text = await fetch.text(pinned, _inside(source, "AGENTS.md"))
    if text is None:
        raise Unfit(f"the agent {request.agent.name!r}: there is no AGENTS.md in {source}", repo_url=str(source))
    texts.append(text)
    return _repository(source, pinned, bundles), "\n\n".join(text for text in texts if text)


async def _skill(skill: AskedSkill, fetch: _Fetch, bundles: _Bundles) -> Repository | None:
    """Where the skill lies; None for one made from its prompt. Its SKILL.md is read here already, to refuse early."""
    source = source_of(skill.repo_url)
    if source is None:
        return None
    pinned = await fetch.pin(source)
    text = await fetch.text(pinned, _inside(source, "SKILL.md"))
    if text is None:
        raise Unfit(f"the skill {skill.name!r}: there is no SKILL.md in {source}", repo_url=str(source))
    _check_frontmatter(skill, text)
    return _repository(source, pinned, bundles)


def _inside(source: GitSource, name: str) -> str:
    return f"{source.path}/{name}" if source.path else name


class _Frontmatter(msgspec.Struct, kw_only=True):
    """Source: the Agent Skills form. Other keys are other people's."""

    name: str
    description: str


def _check_frontmatter(skill: AskedSkill, text: str) -> None:
    """Raises Unfit when the SKILL.md has no frontmatter that names and describes it."""
    head, mark, _ = text.removeprefix("---").partition("\n---")
    if not text.startswith("---") or not mark:
        raise Unfit(f"the skill {skill.name!r}: its SKILL.md does not begin with frontmatter (--- … ---)")
    try:
        found = msgspec.convert(yaml.safe_load(head), _Frontmatter)
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        raise Unfit(f"the skill {skill.name!r}: its SKILL.md's frontmatter is not right: {error}") from error
    if found.name != slug_of(skill):
        raise Unfit(
            f"the skill {skill.name!r}: its SKILL.md says name: {found.name!r}, but its directory is {slug_of(skill)!r}"
        )

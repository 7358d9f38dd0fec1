"""What Mooring's API is compared with: agents on FastAPI, pydantic and the SQLAlchemy ORM, written as their manuals
show it. The same token look-up, the same row with its audit event in one transaction, the same page with its total."""

import hashlib
import os
import uuid
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, HTTPException, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import DateTime, ForeignKey, Index, LargeBinary, String, func, select
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, joinedload, mapped_column, relationship

# --- rows ---


def new_id(prefix: str) -> str:
    return f"{prefix}_{uuid.uuid4().hex}"


def now() -> datetime:
    return datetime.now(UTC)


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"
    id: Mapped[str] = mapped_column(primary_key=True)
    role: Mapped[str]
    disabled_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class Token(Base):
    __tablename__ = "tokens"
    id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"))
    hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(String))
    expires_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    revoked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    user: Mapped[User] = relationship()


class Agent(Base):
    __tablename__ = "agents"
    id: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    deleted_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    version: Mapped[int]
    created_by_user_id: Mapped[str | None] = mapped_column(ForeignKey("users.id"))
    name: Mapped[str]
    repo_url: Mapped[str | None]
    prompt: Mapped[str | None]
    runtime: Mapped[str]
    model: Mapped[str | None]
    settings: Mapped[dict[str, Any]] = mapped_column(JSONB)


Index("agents_newest", Agent.created_at.desc(), Agent.id.desc(), postgresql_where=Agent.deleted_at.is_(None))


class Event(Base):
    __tablename__ = "events"
    seq: Mapped[int] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(unique=True)
    timestamp: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    actor_id: Mapped[str | None] = mapped_column(ForeignKey("users.id"))
    resource_type: Mapped[str]
    resource_id: Mapped[str] = mapped_column()
    action: Mapped[str]
    details: Mapped[dict[str, Any]] = mapped_column(JSONB)
    reason: Mapped[str | None]


Index("events_resource", Event.resource_id, Event.seq)

# --- what is sent ---


class NewAgent(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str = Field(min_length=1, max_length=200)
    repo_url: str | None = None
    prompt: str | None = None
    runtime: str = "shell"
    model: str | None = None
    settings: dict[str, Any] = {}


class AgentOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    id: str
    kind: str = "Agent"
    href: str = ""
    created_at: datetime
    updated_at: datetime
    version: int
    created_by_user_id: str | None
    name: str
    repo_url: str | None
    prompt: str | None
    runtime: str
    model: str | None
    settings: dict[str, Any]


class AgentList(BaseModel):
    kind: str = "AgentList"
    page: int
    size: int
    total: int
    items: list[AgentOut]


def shown(agent: Agent) -> AgentOut:
    found = AgentOut.model_validate(agent)
    found.href = f"/agents/{agent.id}"
    return found


# --- the application ---

engine = create_async_engine(
    os.environ["REFERENCE_DATABASE"], pool_size=int(os.environ["REFERENCE_POOL"]), max_overflow=0
)
sessions = async_sessionmaker(engine, expire_on_commit=False)
app = FastAPI()


async def opened() -> AsyncGenerator[AsyncSession]:
    async with sessions() as session:
        yield session


Session = Annotated[AsyncSession, Depends(opened)]


async def asker(session: Session, authorization: Annotated[str, Header()] = "") -> User:
    scheme, _, text = authorization.partition(" ")
    digest = hashlib.sha256(text.strip().encode()).digest()
    asked = select(Token).options(joinedload(Token.user, innerjoin=True)).where(Token.hash == digest)
    token = (await session.execute(asked)).scalar_one_or_none()
    if (
        scheme.lower() != "bearer"
        or token is None
        or token.revoked_at is not None
        or token.user.disabled_at is not None
    ):
        raise HTTPException(401, "a token is needed")
    if token.expires_at is not None and token.expires_at <= now():
        raise HTTPException(401, "this token has expired")
    return token.user


Asker = Annotated[User, Depends(asker)]


@app.get("/agents/{identifier}")
async def read_agent(session: Session, _: Asker, response: Response, identifier: str) -> AgentOut:
    agent = await session.scalar(select(Agent).where(Agent.id == identifier, Agent.deleted_at.is_(None)))
    if agent is None:
        raise HTTPException(404, "there is no such agent")
    response.headers["ETag"] = f'"{agent.version}"'
    return shown(agent)


@app.post("/agents", status_code=201)
async def create_agent(session: Session, user: Asker, response: Response, given: NewAgent) -> AgentOut:
    if user.role not in ("admin", "member"):
        raise HTTPException(403, "you may not create agents")
    at = now()
    agent = Agent(
        id=new_id("agt"), created_at=at, updated_at=at, version=1, created_by_user_id=user.id, **given.model_dump()
    )
    event = Event(
        id=new_id("rev"), timestamp=at, actor_id=user.id, resource_type="agent", resource_id=agent.id,
        action="agent.create", details={"after": given.model_dump()}, reason=None,
    )  # fmt: skip
    session.add_all([agent, event])
    await session.commit()
    response.headers["Location"] = f"/agents/{agent.id}"
    response.headers["ETag"] = f'"{agent.version}"'
    return shown(agent)


@app.get("/agents")
async def list_agents(session: Session, _: Asker, page: int = 1, size: int = 100) -> AgentList:
    living = Agent.deleted_at.is_(None)
    total = await session.scalar(select(func.count()).select_from(Agent).where(living))
    newest = select(Agent).where(living).order_by(Agent.created_at.desc(), Agent.id.desc())
    rows = (await session.scalars(newest.limit(size).offset((page - 1) * size))).all()
    return AgentList(page=page, size=len(rows), total=total or 0, items=[shown(row) for row in rows])

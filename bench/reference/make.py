"""Make the tables of the reference application, its one user and that user's token."""

import asyncio
import os

from reference.app import Base, Token, User, engine, sessions


async def main() -> None:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with sessions.begin() as session:
        session.add(User(id="usr_1", role="admin"))
        await session.flush()
        digest = bytes.fromhex(os.environ["REFERENCE_TOKEN"])
        session.add(Token(id="tok_1", user_id="usr_1", hash=digest, scopes=["read", "write"]))
    await engine.dispose()


asyncio.run(main())

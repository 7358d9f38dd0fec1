"""An agent written with the protocol's own Python library: one turn with everything an agent can show."""

import asyncio
from typing import Any

from acp import (
    PROTOCOL_VERSION,
    Client,
    InitializeResponse,
    NewSessionResponse,
    PromptResponse,
    plan_entry,
    run_agent,
    start_tool_call,
    text_block,
    tool_content,
    tool_diff_content,
    update_agent_message_text,
    update_agent_thought_text,
    update_plan,
    update_tool_call,
)
from acp.schema import PermissionOption, ToolCallUpdate


class Peer:
    client: Client

    def on_connect(self, conn: Client) -> None:
        self.client = conn

    async def initialize(self, protocol_version: int, **_: Any) -> InitializeResponse:
        return InitializeResponse(protocol_version=min(protocol_version, PROTOCOL_VERSION))

    async def new_session(self, cwd: str, **_: Any) -> NewSessionResponse:
        self.turns = 0
        self.cwd = cwd
        return NewSessionResponse(session_id="library-session")

    async def prompt(self, session_id: str, prompt: list[Any], **_: Any) -> PromptResponse:
        self.turns += 1

        async def tell(update: Any) -> None:
            await self.client.session_update(session_id=session_id, update=update)

        await tell(update_agent_thought_text("let me see"))
        await tell(update_plan([plan_entry("look", priority="high", status="in_progress")]))
        await tell(start_tool_call("t1", "Edit a file", kind="edit", status="pending", raw_input={"path": "a.txt"}))
        answer = await self.client.request_permission(
            session_id=session_id,
            tool_call=ToolCallUpdate(tool_call_id="t1", title="Edit a file", kind="edit"),
            options=[
                PermissionOption(option_id="no", name="No", kind="reject_once"),
                PermissionOption(option_id="yes", name="Yes", kind="allow_once"),
            ],
        )
        outcome = answer.outcome
        chosen = getattr(outcome, "option_id", None)
        content = [tool_content(text_block("done")), tool_diff_content("a.txt", "new\n", "old\n")]
        await tell(update_tool_call("t1", status="completed", content=content))
        await tell(update_agent_message_text(f"turn {self.turns} in {self.cwd}: "))
        await tell(update_agent_message_text(f"{outcome.outcome} {chosen}; you said {prompt[0].text}"))
        return PromptResponse(stop_reason="end_turn")


# The library asks for all the protocol has; this one offers what a turn needs.
peer: Any = Peer()
asyncio.run(run_agent(peer))

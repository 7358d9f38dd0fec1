"""An agent that does what its prompt says, a step a line, byte by byte as real agents were seen to do. Bare Python.

say TEXT · think TEXT · raw LINE · update JSON · ask ID [JSON of the action] · call ID METHOD · exit N · hang · wait
· stop REASON · fail TEXT · child · where · burst N · long N · stderr TEXT · flood N
"""

import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

SESSION = "sess-1"
OPTIONS = [
    {"optionId": "x1", "name": "Always", "kind": "allow_always"},
    {"optionId": "x2", "name": "Yes", "kind": "allow_once"},
    {"optionId": "x3", "name": "No", "kind": "reject_once"},
]


def send(**message: object) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def update(**what: object) -> None:
    send(method="session/update", params={"sessionId": SESSION, "update": what})


def chunk(kind: str, text: str) -> None:
    update(sessionUpdate=kind, content={"type": "text", "text": text})


def receive() -> dict[str, Any]:
    line = sys.stdin.readline()
    if not line:
        raise SystemExit(0)
    return json.loads(line)


def number(text: str) -> "int | str":
    return int(text) if text.isdecimal() else text


class Cancelled(Exception):
    pass


def answer_to(request: "int | str") -> dict[str, Any]:
    while True:
        message = receive()
        if message.get("method") == "session/cancel":
            raise Cancelled
        if message.get("id") == request and "method" not in message:
            return message


def ask(words: str) -> None:
    name, _, action = words.partition(" ")
    request = number(name)
    call = {"toolCallId": f"call-{name}", "title": "rm -rf build", "kind": "execute", "rawInput": {"command": "rm"}}
    call.update(json.loads(action or "{}"))
    send(
        id=request,
        method="session/request_permission",
        params={"sessionId": SESSION, "toolCall": call, "options": OPTIONS},
    )
    outcome = answer_to(request)["result"]["outcome"]
    chunk("agent_message_chunk", f"[{outcome['outcome']} {outcome.get('optionId')}]")


def call(words: str) -> None:
    name, method = words.split(" ")
    send(id=number(name), method=method, params={})
    chunk("agent_message_chunk", f"[{answer_to(number(name))['error']['code']}]")


def hang() -> None:
    """Deaf to everything but SIGKILL."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        time.sleep(60)


def child() -> None:
    """Leave a grandchild that nobody asked for, in a session of its own."""
    left = subprocess.Popen(["sleep", "600"], start_new_session=True)
    chunk("agent_message_chunk", f"[{left.pid}]")


def flood(count: str) -> None:
    for one in range(int(count)):
        update(
            sessionUpdate="tool_call_update", toolCallId="flood", status="in_progress", rawOutput=f"{one} " + "x" * 5000
        )


def obey(line: str) -> "str | None":
    """One step; gives the reason to stop, if that."""
    word, _, rest = line.partition(" ")
    steps = {
        "say": lambda: chunk("agent_message_chunk", rest),
        "think": lambda: chunk("agent_thought_chunk", rest),
        "raw": lambda: (sys.stdout.write(rest + "\n"), sys.stdout.flush()),
        "long": lambda: (sys.stdout.write("x" * int(rest) + "\n"), sys.stdout.flush()),
        "stderr": lambda: (sys.stderr.write(rest + "\n"), sys.stderr.flush()),
        "update": lambda: update(**json.loads(rest)),
        "ask": lambda: ask(rest),
        "call": lambda: call(rest),
        "exit": lambda: os._exit(int(rest)),
        "hang": hang,
        "child": child,
        "wait": lambda: answer_to("nothing"),
        "where": lambda: chunk("agent_message_chunk", f"[{os.getcwd()} {os.getpid()}]"),
        "flood": lambda: flood(rest),
        "burst": lambda: [chunk("agent_message_chunk", "y" * 1000) for _ in range(int(rest))],
    }
    if word == "stop":
        return rest
    if word in steps:
        steps[word]()
    else:
        chunk("agent_message_chunk", f"<{line}>")
    return None


def prompt(request: int, text: str) -> None:
    reason = "end_turn"
    try:
        for line in text.splitlines():
            if line.startswith("fail "):
                send(id=request, error={"code": -32000, "message": line[5:]})
                return
            reason = obey(line) or reason
    except Cancelled:
        # What a real one does last: it cleans up and says so.
        with open("cancelled", "w") as file:
            file.write("heard\n")
        reason = "cancelled"
    send(id=request, result={"stopReason": reason})


def main() -> None:
    version = int(sys.argv[1]) if sys.argv[1:] else 1
    while True:
        message = receive()
        method, request = message.get("method"), message.get("id")
        if method == "initialize":
            send(id=request, result={"protocolVersion": version, "agentCapabilities": {}})
        elif method == "session/new":
            # Before the answer, and before any prompt: updates keep no hours.
            update(sessionUpdate="available_commands_update", availableCommands=[])
            send(id=request, result={"sessionId": SESSION, "got": message["params"]})
            update(sessionUpdate="current_mode_update", currentModeId="code")
            update(sessionUpdate="something_new_in_protocol_2", data=1)
            chunk("agent_thought_chunk", "early")
        elif method == "session/prompt":
            prompt(message["id"], message["params"]["prompt"][0]["text"])


main()

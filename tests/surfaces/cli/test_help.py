"""What `--help` prints."""

from collections.abc import Iterator

import click
import pytest

from mooring.cli.start import root


def commands(group: click.Group, above: click.Context | None = None) -> Iterator[click.Context]:
    """Every command, as it is called."""
    called = "moor" if above is None else group.name
    # As it is called: commands keep the help option of the first context that asks for it.
    context = click.Context(group, info_name=called, parent=above, terminal_width=80, **group.context_settings)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, name
        if isinstance(command, click.Group):
            yield from commands(command, context)
        yield click.Context(command, info_name=name, parent=context, terminal_width=80)


@pytest.mark.parametrize("context", [pytest.param(context, id=context.command_path) for context in commands(root)])
def test_help_is_text_without_marks_of_its_layout(context: click.Context) -> None:
    said = context.command.get_help(context)
    assert not {"\\", "\b", "\f"} & set(said)


def test_examples_keep_their_lines() -> None:
    [create] = [context for context in commands(root) if context.command_path == "moor create"]
    examples = [line for line in create.command.get_help(create).splitlines() if line.startswith("  moor create ")]
    assert len(examples) == 5

"""``rig bench``: what this machine does; its options are those of ``rig.bench``."""

import click


@click.command(add_help_option=False, context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@click.pass_context
def bench(ctx: click.Context) -> int:
    """Measure this machine and print the table."""
    from rig.bench import main

    return main(ctx.args)

"""Plugins that fail in every way that there is, each in one file, and how a daemon is to name them."""

from pathlib import Path

HEAD = "import asyncio, logging, os, time\nimport rig\n"

MOMENTS = """
@rig.hookimpl
def rig_before_dispatch(context):
    {0}

@rig.hookimpl
def rig_after_dispatch(context):
    {0}

@rig.hookimpl
def rig_before_run(context):
    {0}

@rig.hookimpl
def rig_after_run(context):
    {0}

@rig.hookimpl
def rig_before_transition(context):
    {0}

@rig.hookimpl
async def rig_after_transition(context):
    {1}

@rig.hookimpl
def rig_before_attention(context):
    {0}

@rig.hookimpl
async def rig_after_attention(context):
    {1}
"""
THINGS = """
class Thing:
    name = type = "{name}"
    critical, kinds, params = False, (), None
    def check(self, context):
        {0}
    async def send(self, notification):
        {1}
    async def run(self, context):
        {1}
    def price(self, model):
        {0}
    def verify(self, *delivery):
        {0}
    identify = normalize = verify

async def operation(request):
    {1}

@rig.hookimpl
def rig_register_health_checkers(context):
    return [Thing()]

@rig.hookimpl
def rig_register_notifiers(context):
    return [Thing()]

@rig.hookimpl
def rig_register_step_kinds(context):
    return [Thing()]

@rig.hookimpl
def rig_register_price_sources(context):
    return [Thing()]

@rig.hookimpl
def rig_register_webhook_sources(context):
    return [Thing()]

@rig.hookimpl
def rig_register_providers(context):
    return [rig.ProviderRegistration("{name}", Thing())]

@rig.hookimpl
def rig_register_operations(context):
    return [rig.PluginOperation("do", "Do it", operation, method="POST", scope="write")]
"""
CHECKER = """
class Checker:
    name, critical = "{name}", False
    def check(self, context):
        {0}

@rig.hookimpl
def rig_register_health_checkers(context):
    return [Checker()]
"""
RAISES = "raise LookupError('every time')"
HANGS = ("time.sleep(60)", "await asyncio.sleep(60)")
"""A thread that sleeps, and a coroutine; what holds the event loop itself is for ``isolate = "process"``."""
MUTATES = "object.__setattr__(context, 'issue', 'changed')"
FLOOD = "[logging.getLogger('rig.http').warning('line %d of a flood', n) for n in range(10_000)]; print('flood\\n' * 5_000)"

PLUGINS = {
    "broken": "import nowhere_at_all",
    "raises": MOMENTS.format(RAISES, RAISES) + THINGS.format(RAISES, RAISES, name="raises"),
    "raises_loading": f"@rig.hookimpl\ndef rig_register_providers(context):\n    {RAISES}",
    "hangs": CHECKER.format("time.sleep(60)", name="hangs"),
    "hangs_everywhere": MOMENTS.format(*HANGS) + THINGS.format(*HANGS, name="hangs_everywhere"),
    "exits": CHECKER.format("os._exit(3)", name="exits"),
    "floods": CHECKER.format(f"{FLOOD}; return rig.CheckResult()", name="floods"),
    "forks": CHECKER.format("os.fork() or time.sleep(60); return rig.CheckResult()", name="forks"),
    "misspelt": "@rig.hookimpl\ndef rig_register_health_chekers(context):\n    return []",
    "config": "class C(rig.PluginConfig):\n    needed: int\nRIG_CONFIG = C",
    "mutates": MOMENTS.format(MUTATES, MUTATES),
}
ISOLATED = "exits"
EXPECTED = {
    "broken": ("load_error", "ModuleNotFoundError: No module named 'nowhere_at_all'", "plugin:broken"),
    "raises": ("quarantined", "LookupError: every time", "plugin:raises"),
    "raises_loading": ("load_error", "rig_register_providers: LookupError: every time", "plugin:raises_loading"),
    "hangs": ("enabled", "hangs.check: timeout after 2 s", "hangs"),
    "hangs_everywhere": ("quarantined", "timeout after", "plugin:hangs_everywhere"),
    "exits": ("quarantined", "Died: its process ended with status 3", "plugin:exits"),
    "floods": ("quarantined", "log records at once", "plugin:floods"),
    "forks": ("enabled", "RuntimeError: the daemon is not to be forked", "forks"),
    "misspelt": ("load_error", "rig_register_health_chekers", "plugin:misspelt"),
    "config": ("config_error", "plugins.config.needed: Field required", "plugin:config"),
}
"""Plugin to its state, what its last error says, and the name under which deep health has it as not well."""


def write(folder: Path, *only: str) -> Path:
    """The plugins as files of a folder."""
    folder.mkdir(parents=True)
    for name in only or PLUGINS:
        (folder / f"{name}.py").write_text(HEAD + PLUGINS[name])
    return folder

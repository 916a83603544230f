"""The Python SDK 1 with all its features: features_legacy.py URL http|sse|websocket SERVER.

SERVER is `host` for conformance-host or `sysmond`.
"""

import asyncio
import sys
import warnings
from contextlib import asynccontextmanager

import features
from asked import Asked
from expect import LEGACY, Checks
from mcp import McpError, types
from py_legacy import connect, plain
from pydantic import AnyUrl

UPDATE_SECONDS_MAX = 10

# The SDK deprecates its tasks; servers of revision 2025-11-25 still serve them.
warnings.filterwarnings("ignore", category=DeprecationWarning, message=".*experimental tasks.*")


class Legacy:
    """Adapts `ClientSession` to the features."""

    Error = McpError
    modern = False

    def __init__(self, asked):
        self.asked = asked
        self.session = None
        self.updated = asyncio.Queue()

    def callbacks(self):
        """What the session is made with."""
        return {
            "elicitation_callback": self.elicit,
            "sampling_callback": self.sample,
            "list_roots_callback": self.list_roots,
            "message_handler": self.on_message,
        }

    async def elicit(self, context, params):
        return types.ElicitResult.model_validate(self.asked.form(plain(params)))

    async def sample(self, context, params):
        return types.CreateMessageResult.model_validate(self.asked.sample(plain(params)))

    async def list_roots(self, context):
        return types.ListRootsResult.model_validate(self.asked.roots())

    async def on_message(self, message):
        if isinstance(message, types.ServerNotification):
            if isinstance(message.root, types.ResourceUpdatedNotification):
                self.updated.put_nowait(str(message.root.params.uri))

    async def list_resources(self):
        return plain(await self.session.list_resources())["resources"]

    async def list_templates(self):
        return plain(await self.session.list_resource_templates())["resourceTemplates"]

    async def list_prompts(self):
        return plain(await self.session.list_prompts())["prompts"]

    async def read(self, uri):
        return plain(await self.session.read_resource(AnyUrl(uri)))

    async def get_prompt(self, name, arguments):
        return plain(await self.session.get_prompt(name, arguments))

    async def call(self, name, arguments):
        return plain(await self.session.call_tool(name, arguments))

    async def complete(self, ref, name, value):
        kind = types.PromptReference if "name" in ref else types.ResourceTemplateReference
        argument = {"name": name, "value": value}
        result = await self.session.complete(kind.model_validate(ref), argument)
        return plain(result)["completion"]

    @asynccontextmanager
    async def updates(self, uri):
        await self.session.subscribe_resource(AnyUrl(uri))
        yield self
        await self.session.unsubscribe_resource(AnyUrl(uri))

    async def next(self):
        return await asyncio.wait_for(self.updated.get(), UPDATE_SECONDS_MAX)

    async def run_task(self, name, arguments, statuses):
        tasks = self.session.experimental
        task = (await tasks.call_tool_as_task(name, arguments)).task
        statuses.append(task.status)
        async for seen in tasks.poll_task(task.taskId):
            statuses.append(seen.status)
            # The question itself comes while the client waits for the result.
            if seen.status == "input_required":
                break
        return plain(await tasks.get_task_result(task.taskId, types.CallToolResult))

    async def cancel_task(self, name, arguments):
        tasks = self.session.experimental
        task = (await tasks.call_tool_as_task(name, arguments)).task
        await tasks.cancel_task(task.taskId)
        async for seen in tasks.poll_task(task.taskId):
            status = seen.status
        return status

    def code_of(self, error):
        return error.error.code


async def main(url, kind, server):
    checks = Checks()
    client = Legacy(Asked())
    async with connect(url, kind, **client.callbacks()) as session:
        client.session = session
        hello = await session.initialize()
        checks.equal(hello.protocolVersion, LEGACY, "negotiated revision")
        if server == "host":
            await features.hold(checks, client)
        else:
            await features.hold_sysmond(checks, client)
    print(f"{checks.count} checks")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

"""The Python SDK 2 with all its features: features_modern.py URL SERVER.

SERVER is `host` for conformance-host or `sysmond`. The SDK leaves the tasks extension to its
users; `Tasks` below adds it by the SDK's own means for extensions.
"""

import asyncio
import sys
from contextlib import asynccontextmanager
from typing import Any, ClassVar, Literal

import features
import mcp_types as types
from asked import Asked
from expect import MODERN, Checks
from mcp import Client, MCPError
from mcp.client.extension import ClientExtension, ResultClaim
from mcp.client.session import ClientRequestContext
from pydantic import TypeAdapter

UPDATE_SECONDS_MAX = 10

MISSING_CAPABILITY = -32021

TERMINAL = {"completed", "failed", "cancelled"}

JSON_OBJECT = TypeAdapter(dict[str, Any])
INPUT_REQUEST = TypeAdapter(types.InputRequest)


TaskMethod = Literal["tasks/get", "tasks/update", "tasks/cancel"]


class TaskRequest(types.Request[dict[str, Any], TaskMethod]):
    """Every method of the extension names its task in the same place."""

    name_param: ClassVar[str | None] = "taskId"


class TaskHandle(types.Result):
    """What tools/call answers when it began a task."""

    result_type: Literal["task"] = "task"
    task_id: str
    status: str


class Tasks(ClientExtension):
    """Follows a task until its end and answers what it asks."""

    identifier = "io.modelcontextprotocol/tasks"

    def __init__(self):
        self.statuses = []

    def claims(self):
        return [ResultClaim(result_type="task", model=TaskHandle, resolve=self.resolve)]

    async def resolve(self, handle, context):
        self.statuses.append(handle.status)
        task = await self.get(context.session, handle.task_id)
        while task["status"] not in TERMINAL:
            if task["status"] == "input_required":
                await self.answer(context.session, task)
            else:
                await asyncio.sleep(task.get("pollIntervalMs", 100) / 1000)
            task = await self.get(context.session, handle.task_id)
        if task["status"] == "failed":
            error = task["error"]
            raise MCPError(error["code"], error["message"])
        return types.CallToolResult.model_validate(task["result"])

    async def get(self, session, task_id):
        task = await request(session, "tasks/get", {"taskId": task_id})
        self.statuses.append(task["status"])
        return task

    async def answer(self, session, task):
        """Takes the questions to the same callbacks as those of an ordinary call."""
        answers = {}
        for key, question in task["inputRequests"].items():
            asked = INPUT_REQUEST.validate_python(question)
            context = ClientRequestContext(session=session, request_id=key, meta=None)
            answers[key] = plain(await session.dispatch_input_request(context, asked))
        params = {"taskId": task["taskId"], "inputResponses": answers}
        await request(session, "tasks/update", params)


class Modern:
    """Adapts `mcp.Client` to the features."""

    Error = MCPError
    modern = True

    def __init__(self, url):
        self.asked = Asked()
        self.tasks = Tasks()
        self.client = Client(
            url,
            mode="auto",
            elicitation_callback=self.elicit,
            sampling_callback=self.sample,
            list_roots_callback=self.list_roots,
            extensions=[self.tasks],
        )

    async def elicit(self, context, params):
        return types.ElicitResult.model_validate(self.asked.form(plain(params)))

    async def sample(self, context, params):
        return types.CreateMessageResult.model_validate(self.asked.sample(plain(params)))

    async def list_roots(self, context):
        return types.ListRootsResult.model_validate(self.asked.roots())

    async def list_resources(self):
        return plain(await self.client.list_resources())["resources"]

    async def list_templates(self):
        return plain(await self.client.list_resource_templates())["resourceTemplates"]

    async def list_prompts(self):
        return plain(await self.client.list_prompts())["prompts"]

    async def read(self, uri):
        return plain(await self.client.read_resource(uri))

    async def get_prompt(self, name, arguments):
        return plain(await self.client.get_prompt(name, arguments))

    async def call(self, name, arguments):
        return plain(await self.client.call_tool(name, arguments))

    async def complete(self, ref, name, value):
        kind = types.PromptReference if "name" in ref else types.ResourceTemplateReference
        argument = {"name": name, "value": value}
        result = await self.client.complete(kind.model_validate(ref), argument)
        return plain(result)["completion"]

    @asynccontextmanager
    async def updates(self, uri):
        async with self.client.listen(resource_subscriptions=[uri]) as subscription:
            yield Updates(subscription)

    async def run_task(self, name, arguments, statuses):
        self.tasks.statuses = statuses
        return await self.call(name, arguments)

    async def cancel_task(self, name, arguments):
        session = self.client.session
        handle = await session.call_tool(name, arguments, allow_claimed=True)
        params = {"taskId": handle.task_id}
        await request(session, "tasks/cancel", params)
        while (task := await request(session, "tasks/get", params))["status"] not in TERMINAL:
            await asyncio.sleep(task.get("pollIntervalMs", 100) / 1000)
        return task["status"]

    def code_of(self, error):
        return error.code


class Updates:
    """The updates of one listen stream."""

    def __init__(self, subscription):
        self.subscription = subscription

    async def next(self):
        event = await asyncio.wait_for(anext(self.subscription), UPDATE_SECONDS_MAX)
        return str(event.uri)


async def request(session, method, params):
    return await session.send_request(TaskRequest(method=method, params=params), JSON_OBJECT)


def plain(model):
    return model.model_dump(by_alias=True, exclude_none=True, mode="json")


async def miss_capability(checks, url):
    """A client that can do nothing is told what it would have to be able to do."""
    async with Client(url, mode="auto") as client:
        for name in ("test_missing_capability", "test_input_required_result_elicitation"):
            try:
                result = await client.call_tool(name, {})
            except MCPError as error:
                checks.equal(error.code, MISSING_CAPABILITY, f"code of {name}")
                checks.that(error.error.data["requiredCapabilities"], f"{name} says what it needs")
            else:
                checks.that(False, f"{name} needs a capability", result)


async def main(url, server):
    checks = Checks()
    modern = Modern(url)
    async with modern.client as client:
        checks.equal(client.protocol_version, MODERN, "negotiated revision")
        if server == "host":
            await features.hold(checks, modern)
        else:
            await features.hold_sysmond(checks, modern)
    if server == "host":
        await miss_capability(checks, url)
    print(f"{checks.count} checks")


asyncio.run(main(*sys.argv[1:]))

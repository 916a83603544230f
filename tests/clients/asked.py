"""Whom a server asks during a call: the person, the model and the roots. The twin of asked.mjs."""

ANSWER = "Ada"
EMAIL = "ada@example.com"
SAMPLE = "Ada counts to three."
ROOT = "file:///srv/ada"


class Asked:
    """Answers every question, keeps what was asked and deals in plain JSON values."""

    def __init__(self):
        self.forms = []
        self.samples = []
        self.roots_count = 0
        # What the person does with the next forms.
        self.action = "accept"

    def form(self, params):
        """Answers an elicitation/create in form mode."""
        self.forms.append(params)
        if self.action != "accept":
            return {"action": self.action}
        fields = params["requestedSchema"]["properties"]
        return {"action": "accept", "content": {name: fill(name, fields[name]) for name in fields}}

    def sample(self, params):
        """Answers a sampling/createMessage."""
        self.samples.append(params)
        content = {"type": "text", "text": SAMPLE}
        answer = {"role": "assistant", "content": content, "model": "test-model"}
        return {**answer, "stopReason": "endTurn"}

    def roots(self):
        self.roots_count += 1
        return {"roots": [{"uri": ROOT, "name": "ada"}]}

    def forget(self):
        self.__init__()


def fill(name, schema):
    """Picks a value for one field of a form: its default, else the first that it allows."""
    if "default" in schema:
        return schema["default"]
    if "enum" in schema:
        return schema["enum"][0]
    if "oneOf" in schema:
        return schema["oneOf"][0]["const"]
    if schema["type"] == "array":
        items = schema["items"]
        return [items["enum"][0] if "enum" in items else items["anyOf"][0]["const"]]
    if schema["type"] == "boolean":
        return True
    if schema["type"] in ("integer", "number"):
        return schema.get("minimum", 1)
    return EMAIL if name == "email" else ANSWER

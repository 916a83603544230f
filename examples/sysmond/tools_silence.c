/* silence_alert: the one tool that changes something, so it asks the user before it acts. The same
 * code serves clients that are asked over an open stream and clients that call again with the
 * answer: emcp runs the function anew, and what was asked is then answered. */
#include "tools.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define MINUTES_MAX (24 * 60)
#define QUESTION "confirm" /* the key of the one question, and of its one required field */
#define REASON_MAX 200

static const char form[] =
    "{\"type\":\"object\",\"properties\":{"
    "\"" QUESTION "\":{\"type\":\"boolean\",\"title\":\"Silence this alert\"},"
    "\"reason\":{\"type\":\"string\",\"title\":\"Reason, for the log\",\"maxLength\":200}},"
    "\"required\":[\"" QUESTION "\"]}";

/* Asks with the alert's name as sysmond knows it: what the user agrees to must not be worded by
 * the model. Returns as emcp_need_form(). */
static int32_t ask(emcp_call *call, const struct alert *alert, int64_t minutes)
{
    char message[ALERT_ID_MAX + 128];
    snprintf(message, sizeof message,
             "Silence the alert %s for %lld minutes? It is %s at the moment and will not count as "
             "raised meanwhile.",
             alert->id, (long long)minutes, alert_state_name(alert->state));
    return emcp_need_form(call, QUESTION, message, form, NULL);
}

/* Whether the user has agreed; otherwise `refusal` says in which way not. */
static bool agreed(const emcp_call *call, const char **refusal)
{
    int32_t yes = 0;
    switch (emcp_answer_action(call, QUESTION)) {
    case EMCP_ANSWER_ACCEPT:
        *refusal = "The user did not tick the box. Nothing was changed.";
        return emcp_answer_bool(call, QUESTION, QUESTION, &yes) == EMCP_OK && yes;
    case EMCP_ANSWER_DECLINE:
        *refusal = "The user declined. Nothing was changed.";
        return false;
    default:
        *refusal = "The user closed the question without an answer. Nothing was changed.";
        return false;
    }
}

static int32_t silence(struct sysmond *sysmond, emcp_call *call, struct alert *alert,
                       int64_t minutes)
{
    char reason[REASON_MAX + 1] = "none given", until[TIME_TEXT_MAX];
    emcp_str given;
    if (emcp_answer_str(call, QUESTION, "reason", &given) == EMCP_OK && given.n > 0)
        copy_name(reason, sizeof reason, given.p, given.n);
    if (!alerts_silence(sysmond->alerts, alert->id, (int64_t)time(NULL) + 60 * minutes, alert))
        return emcp_fail(call, "The alert has just gone: its filesystem is not mounted any more. "
                               "Nothing was changed.");
    journal_addf(sysmond->journal, EMCP_LOG_NOTICE, "alerts",
                 "the user silenced %s for %lld minutes, reason: %s", alert->id,
                 (long long)minutes, reason);
    format_time(until, alert->silenced_until);
    char message[ALERT_ID_MAX + 128];
    int len = snprintf(message, sizeof message,
                       "%s is silenced until %s. A second silence_alert would replace this time.",
                       alert->id, until);
    return emcp_put_text(call, message, (size_t)len);
}

static int32_t silence_alert(emcp_call *call, void *user)
{
    struct sysmond *sysmond = user;
    char id[ALERT_ID_MAX];
    struct alert alert;
    argument_name(call, "alert", id, sizeof id);
    int64_t minutes = argument_i64(call, "minutes", 60, 1, MINUTES_MAX);
    if (!alerts_find(sysmond->alerts, id, &alert))
        return emcp_fail(call, "There is no such alert. Call list_alerts and pass an id from there "
                               "unchanged.");
    const char *refusal;
    int32_t status = ask(call, &alert, minutes);
    switch (status) {
    case EMCP_OK:
        if (agreed(call, &refusal))
            return silence(sysmond, call, &alert, minutes);
        return emcp_put_text(call, refusal, EMCP_NUL);
    case EMCP_E_CAPABILITY:
        return emcp_fail(call, "This client cannot ask its user, and sysmond silences nothing "
                               "unasked. Nothing was changed. Let the user call silence_alert from "
                               "a client that supports elicitation in form mode, such as the MCP "
                               "Inspector or VS Code.");
    case EMCP_E_REFUSED:
        return emcp_fail(call, "The client answered the question to its user with an error. "
                               "Nothing was changed.");
    default:
        return status; /* EMCP_NEED_INPUT, or the call has ended. */
    }
}

int32_t tools_add_silence(struct sysmond *sysmond)
{
    static const emcp_param params[] = {
        {.name = "alert", .type = EMCP_STRING, .flags = EMCP_P_REQUIRED, .min = 1,
         .max = ALERT_ID_MAX - 1, .description = "Id of the alert, as list_alerts shows it."},
        {.name = "minutes", .type = EMCP_INTEGER, .min = 1, .max = MINUTES_MAX,
         .default_value = "60", .description = "For how long, counted from the user's answer."},
    };
    emcp_tool tool;
    EMCP_INIT(&tool);
    tool.name = "silence_alert";
    tool.title = "Silence an alert";
    tool.description = "Silences one alert for some time, after asking the user: it is still "
                       "judged and listed, but does not count as raised. Replaces a silence that "
                       "the alert already has; ends by itself.";
    tool.flags = EMCP_T_WRITE;
    tool.scope = "alerts:write"; /* everybody has it who needs no key */
    tool.params = params;
    tool.params_len = sizeof params / sizeof params[0];
    tool.call = silence_alert;
    tool.user = sysmond;
    return emcp_tool_add(sysmond->emcp, &tool);
}

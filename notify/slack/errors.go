package slack

import (
	"errors"
	"net"
	"net/http"
	"strings"
	"time"

	slackgo "github.com/slack-go/slack"
)

// outcome is what an error says about the call that it ended.
type outcome string

const (
	// limited: nothing was done, and it may be tried again after a while.
	limited outcome = "limited"
	// unsent: nothing reached Slack.
	unsent outcome = "unsent"
	// unclear: it may have been done.
	unclear outcome = "unclear"
	// gone: the message is not there any more, or may not be edited any more.
	gone outcome = "gone"
	// badMessage: nothing was done, and the same message is never taken.
	badMessage outcome = "message"
	// badChannel: nothing was done, and nothing will be in this channel until somebody changes it.
	badChannel outcome = "channel"
	// badAccount: nothing was done, and nothing will be until somebody changes the app or its token.
	badAccount outcome = "account"
)

// callError is a call to Slack that failed.
type callError struct {
	method  string
	outcome outcome
	// code is Slack's own, or a short word of ours.
	code string
	// after is how long to wait, with limited.
	after time.Duration
	cause error
}

// Error never holds a token: see [client.clean].
func (e *callError) Error() string {
	s := "call slack " + e.method + ": " + e.code
	if hint := hints(e.code); hint != "" {
		s += " (" + hint + ")"
	}
	if e.cause != nil {
		s += ": " + e.cause.Error()
	}
	return s
}

// Unwrap is the cause, with everything secret taken out.
func (e *callError) Unwrap() error { return e.cause }

// is says whether an error is a call that ended so.
func is(err error, o outcome) bool {
	var e *callError
	return errors.As(err, &e) && e.outcome == o
}

// codeOf is Slack's code of an error, "" if it has none.
func codeOf(err error) string {
	var e *callError
	if errors.As(err, &e) {
		return e.code
	}
	return ""
}

const (
	// leastWait is how long a channel rests after a 429, whatever its header says; silentWait where there is none.
	leastWait   = time.Second
	silentWait  = 30 * time.Second
	longestRest = time.Hour
)

// judge says what an error of the library means.
func judge(method string, err error) *callError {
	e := &callError{method: method, outcome: unclear, code: "no answer", cause: err}
	var rate *slackgo.RateLimitedError
	var status slackgo.StatusCodeError
	var refused slackgo.SlackErrorResponse
	var op *net.OpError
	var dns *net.DNSError
	switch {
	case errors.As(err, &rate):
		e.outcome, e.code, e.after, e.cause = limited, "ratelimited", min(max(rate.RetryAfter, leastWait), longestRest), nil
	case errors.As(err, &status) && status.Code == http.StatusTooManyRequests:
		e.outcome, e.code, e.after, e.cause = limited, "ratelimited", silentWait, nil
	case errors.As(err, &status):
		e.code, e.cause = strings.ToLower(status.Status), nil
	case errors.As(err, &refused):
		e.code, e.cause = refused.Err, nil
		e.outcome = ofCode(refused.Err)
		if e.outcome == limited {
			e.after = silentWait
		}
		if len(refused.ResponseMetadata.Messages) > 0 {
			e.cause = errors.New(strings.Join(refused.ResponseMetadata.Messages, "; "))
		}
	case errors.As(err, &op) && op.Op == "dial", errors.As(err, &dns):
		e.outcome, e.code = unsent, "not reached"
	}
	return e
}

// ofCode is what Slack's codes mean. What it does not know is a no to this one message: it was answered, so nothing is unclear.
func ofCode(code string) outcome {
	switch code {
	case "ratelimited", "rate_limited", "message_limit_exceeded":
		return limited
	case "internal_error", "fatal_error", "request_timeout", "service_unavailable", "team_added_to_org", "accesslimited":
		return unclear // Slack itself says of these that a part may have been done
	case "message_not_found", "cant_update_message", "edit_window_closed", "is_inactive", "thread_not_found", "cannot_reply_to_message", "thread_locked":
		return gone
	case "channel_not_found", "not_in_channel", "is_archived", "restricted_action", "restricted_action_read_only_channel",
		"restricted_action_thread_only_channel", "restricted_action_non_threadable_channel", "restricted_action_thread_locked",
		"channel_type_not_supported", "method_not_supported_for_channel_type", "no_permission_in_channel", "cannot_post_to_channel":
		return badChannel
	case "invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "missing_scope", "no_permission",
		"org_login_required", "ekm_access_denied", "not_allowed_token_type", "team_access_not_granted", "enterprise_is_restricted",
		"two_factor_setup_required", "access_denied", "wrong_team":
		return badAccount
	}
	return badMessage
}

// hints say what somebody can do about a code.
func hints(code string) string {
	switch code {
	case "channel_not_found":
		return "the id is wrong, or the channel is private and the app was not invited"
	case "not_in_channel":
		return "invite the app to the channel"
	case "is_archived":
		return "name another channel"
	case "missing_scope":
		return "install the app again from the manifest: firebreak slack manifest"
	case "invalid_auth", "not_authed", "token_revoked", "token_expired", "account_inactive":
		return "the token is not valid any more"
	case "plan_upgrade_required":
		return "user groups need a paid Slack plan: name users or e-mail addresses in the policy instead"
	case "wrong_team":
		return "the token belongs to another workspace than the policy names"
	}
	return ""
}

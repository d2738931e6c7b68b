package policy

import (
	"net/mail"
	"strings"
)

// slackID is what an id of a kind stands for in Slack, and the letters that it can begin with; empty for every other kind of text.
func slackID(kind string) (what, letters string) {
	switch kind {
	case "channel":
		return "a channel", "CG"
	case "team":
		return "a workspace", "TE"
	case "app":
		return "an app", "A"
	case "user":
		return "a user", "UW"
	case "usergroup":
		return "a user group", "S"
	case "mention":
		return "a user or a user group", "UWS"
	}
	return "", ""
}

// idProblem says what is wrong with an id of Slack, or "". A name is no id: it can be given to another, or mean nobody any more.
func idProblem(kind, value, written string) string {
	what, letters := slackID(kind)
	if letters == "" || isSlackID(value, letters) {
		return ""
	}
	return "expected the id of " + what + ", which begins with " + alternatives(strings.Split(letters, "")) +
		" and goes on in capital letters and digits, got " + quote(written)
}

// isSlackID says whether text is an id that begins with one of the letters.
func isSlackID(s, letters string) bool {
	if len(s) < 3 || len(s) > 41 || !strings.Contains(letters, s[:1]) {
		return false
	}
	return strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == "" // a middle that is left over begins and ends with a stranger
}

// emailProblem says what is wrong with an e-mail address, or "". It is the plain address, without a name beside it.
func emailProblem(value, written string) string {
	a, err := mail.ParseAddress(value)
	if err == nil && a.Address == value && strings.Contains(value[strings.LastIndexByte(value, '@'):], ".") {
		return ""
	}
	return "expected an e-mail address such as alice@example.com, got " + quote(written)
}

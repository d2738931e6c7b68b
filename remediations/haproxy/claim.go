package haproxy

import (
	"strconv"
	"strings"
	"time"

	"github.com/firebreak-sre/firebreak/internal/haproxy"
	"github.com/firebreak-sre/firebreak/remediations"
)

// maxAction bounds an action, so that it fits into a mark with the time of a claim.
const maxAction = 96

// markable says that an action can be kept as a mark.
func markable(action string) bool {
	if action == "" || len(action) > maxAction {
		return false
	}
	return !strings.ContainsFunc(action, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-'
	})
}

// claimOf is what an order writes before it looks at the others: until when it may drain, in milliseconds, and who it is.
func claimOf(o remediations.Order) string {
	return strconv.FormatInt(o.Deadline.UnixMilli(), 10) + "." + o.Action
}

// claimed is the claim on a server that lives and is not of our action; empty if there is none. It lives until its deadline, and for the
// grace behind it. A claim that cannot be read lives for ever: it is taken away by hand, or by the next claim on the same server, or with
// the process.
func claimed(v haproxy.View, server, ours string, now time.Time, grace time.Duration) string {
	claim := v.Mark(haproxy.Claim, server)
	if claim == "" {
		return ""
	}
	until, action, _ := strings.Cut(claim, ".")
	if action == ours {
		return ""
	}
	ms, err := strconv.ParseInt(until, 10, 64)
	if err == nil && now.After(time.UnixMilli(ms).Add(grace)) {
		return ""
	}
	return claim
}

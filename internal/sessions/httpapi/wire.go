package httpapi

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/firebreak-sre/firebreak/internal/sessions"
)

// The paths of the contract, below the address of the endpoint.
const (
	PathStatus      = "/v1/sessions/status"
	PathReplication = "/v1/sessions/replication"
	PathList        = "/v1/sessions"
	PathCut         = "/v1/sessions/cut"
	PathDigest      = "/v1/sessions/digest"
	PathQuarantine  = "/v1/sessions/quarantine"
	PathRestore     = "/v1/sessions/restore"
	PathSync        = "/v1/sessions/sync"
	PathReconcile   = "/v1/sessions/reconcile"
	PathRecover     = "/v1/sessions/recover"
	// PathTrial is for sessions of the conformance suite; "/" and the id of one follow.
	PathTrial = "/v1/sessions/trial"
)

// HeaderAction carries the action of an order.
const HeaderAction = "Idempotency-Key"

// Refused is the body of a refusal.
type Refused struct {
	// Code is the refusal's name, see [sessions.Code].
	Code string `json:"code"`
	// Detail is for people.
	Detail string `json:"detail,omitempty"`
}

// Status is the HTTP status of a refusal, 0 for a name that is none.
func Status(code string) int {
	switch code {
	case "request", "max":
		return http.StatusBadRequest
	case "unknown_action", "unknown_node":
		return http.StatusNotFound
	case "epoch", "quorum", "deadline", "action", "not_alive", "behind":
		return http.StatusConflict
	case "busy":
		return http.StatusServiceUnavailable
	}
	return 0
}

// Values writes a query. What is empty is left out.
func Values(q sessions.Query) url.Values {
	v := CutValues(q.Node, q.Cut)
	for _, id := range q.IDs {
		v.Add("id", id)
	}
	set(v, "owner", q.Owner)
	set(v, "cursor", q.Cursor)
	if q.Bucket != 0 {
		v.Set("bucket", strconv.Itoa(q.Bucket-1))
	}
	if q.Quarantined {
		v.Set("quarantined", "true")
	}
	if q.Limit != 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	return v
}

// CutValues writes a node and a cut that it must have reached.
func CutValues(node string, cut sessions.Cut) url.Values {
	v := url.Values{}
	set(v, "node", node)
	if !cut.IsZero() {
		v.Set("history", cut.History)
		v.Set("position", strconv.FormatUint(cut.Position, 10))
	}
	return v
}

func set(v url.Values, key, value string) {
	if value != "" {
		v.Set(key, value)
	}
}

// ParseQuery reads what Values writes, and refuses what it would not.
func ParseQuery(v url.Values) (sessions.Query, error) {
	q := sessions.Query{IDs: v["id"], Owner: v.Get("owner"), Cursor: v.Get("cursor")}
	var err error
	if q.Node, q.Cut, err = ParseCut(v); err != nil {
		return q, err
	}
	if text := v.Get("bucket"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n >= sessions.Buckets {
			return q, fmt.Errorf("%w: bucket %q", sessions.ErrRequest, text)
		}
		q.Bucket = n + 1
	}
	if text := v.Get("quarantined"); text != "" {
		if q.Quarantined, err = strconv.ParseBool(text); err != nil {
			return q, fmt.Errorf("%w: quarantined %q", sessions.ErrRequest, text)
		}
	}
	if text := v.Get("limit"); text != "" {
		if q.Limit, err = strconv.Atoi(text); err != nil || q.Limit < 1 {
			return q, fmt.Errorf("%w: limit %q", sessions.ErrRequest, text)
		}
	}
	return q, q.Check()
}

// ParseCut reads what CutValues writes.
func ParseCut(v url.Values) (node string, cut sessions.Cut, err error) {
	if text := v.Get("position"); text != "" || v.Get("history") != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil || v.Get("history") == "" {
			return "", cut, fmt.Errorf("%w: position %q of history %q", sessions.ErrRequest, text, v.Get("history"))
		}
		cut = sessions.Cut{History: v.Get("history"), Position: n}
	}
	return v.Get("node"), cut, nil
}

// TrialPath is where one trial session is.
func TrialPath(id string) string { return PathTrial + "/" + url.PathEscape(id) }

// isJSON says whether a content type is JSON.
func isJSON(contentType string) bool {
	kind, _, _ := strings.Cut(contentType, ";")
	return strings.EqualFold(strings.TrimSpace(kind), "application/json")
}

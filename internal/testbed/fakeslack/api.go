package fakeslack

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxRequest bounds the body of a request.
const maxRequest = 4 << 20

// method is one method of the Web API.
type method struct {
	// needs is the scope that the token must have. Empty: none.
	needs string
	tier  tier
	// appToken: it is called with the app-level token instead of the bot's.
	appToken bool
	run      func(*Server, args) (object, error)
}

// methods are those that this fake knows. Everything else is unknown_method, as with Slack.
func methods() map[string]method {
	return map[string]method{
		"auth.test":             {run: (*Server).authTest},
		"apps.connections.open": {tier: tier1, appToken: true, run: (*Server).openConnection},
		"chat.postMessage":      {needs: "chat:write", run: (*Server).postMessage},
		"chat.postEphemeral":    {needs: "chat:write", tier: tier4, run: (*Server).postEphemeral},
		"chat.update":           {needs: "chat:write", tier: tier3, run: (*Server).updateMessage},
		"chat.delete":           {needs: "chat:write", tier: tier3, run: (*Server).deleteMessage},
		"chat.getPermalink":     {run: (*Server).permalink},
		"conversations.history": {tier: tier3, run: (*Server).history},
		"conversations.replies": {tier: tier3, run: (*Server).threadReplies},
		"conversations.info":    {needs: "channels:read", tier: tier3, run: (*Server).channelInfo},
		"conversations.join":    {needs: "channels:join", tier: tier3, run: (*Server).joinChannel},
		"users.info":            {needs: "users:read", tier: tier4, run: (*Server).userInfo},
		"users.lookupByEmail":   {needs: "users:read.email", tier: tier3, run: (*Server).userByEmail},
		"usergroups.users.list": {needs: "usergroups:read", tier: tier2, run: (*Server).groupMembers},
		"views.open":            {tier: tier4, run: (*Server).openView},
	}
}

// object is a JSON object.
type object = map[string]any

// refusal is ok false, and why.
type refusal struct {
	code string
	// needed is the scope that is missing, messages what is wrong with the blocks.
	needed   string
	provided string
	messages []string
}

// Error is Slack's code.
func (r refusal) Error() string { return r.code }

func (r refusal) answer() answer {
	body := object{"ok": false, "error": r.code}
	if r.needed != "" {
		body["needed"], body["provided"] = r.needed, r.provided
	}
	if len(r.messages) > 0 {
		body["errors"] = r.messages
		marked := make([]string, len(r.messages))
		for i, m := range r.messages {
			marked[i] = "[ERROR] " + m
		}
		body["response_metadata"] = object{"messages": marked}
	}
	return jsonAnswer(body)
}

func jsonAnswer(body object) answer {
	// Only strings, numbers and raw JSON that was parsed before are ever in it.
	b, err := json.Marshal(body)
	if err != nil {
		return answer{status: http.StatusInternalServerError, body: []byte(`{"ok":false,"error":"fatal_error"}`)}
	}
	return answer{status: http.StatusOK, body: b}
}

// args are the arguments of a call, from a form, a query or JSON.
type args struct {
	token  string
	values map[string]string
}

func (a args) str(name string) string { return a.values[name] }

func (a args) has(name string) bool { _, ok := a.values[name]; return ok }

func (a args) flag(name string) bool { return a.values[name] == "true" || a.values[name] == "1" }

// count is a number between 1 and most; what is not becomes the default.
func (a args) count(name string, byDefault, most int) int {
	n, err := strconv.Atoi(a.values[name])
	if err != nil || n < 1 {
		return byDefault
	}
	return min(n, most)
}

// serveAPI answers one call.
func (s *Server) serveAPI(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("method")
	a, err := readArgs(r)
	s.mu.Lock()
	fault := s.faults.take(name)
	call := Call{Method: name, At: s.config.Now(), Channel: a.str("channel"), TS: a.str("ts"), Answer: string(fault.Kind)}
	if !fault.Kind.accepts() {
		s.remember(call)
		s.mu.Unlock()
		s.failInstead(w, r, fault)
		return
	}
	var ans answer
	if err == nil {
		ans, err = s.call(name, a)
	}
	if err != nil {
		ans, call.Answer = refused(err)
	} else {
		call.Accepted = true
		if fault.Kind == "" {
			call.Answer = "ok"
		}
	}
	s.remember(call)
	s.mu.Unlock()
	s.failAfter(w, r, fault, ans)
}

// remember writes a call down. The caller holds mu.
func (s *Server) remember(c Call) {
	s.calls = append(s.calls, c)
	s.touch()
}

// limitedError is a refusal because of the rate.
type limitedError struct{ after time.Duration }

func (limitedError) Error() string { return "ratelimited" }

func refused(err error) (answer, string) {
	if l, ok := errors.AsType[limitedError](err); ok {
		return tooMany(l.after), l.Error()
	}
	if r, ok := errors.AsType[refusal](err); ok {
		return r.answer(), r.code
	}
	return refusal{code: "fatal_error"}.answer(), "fatal_error: " + err.Error()
}

// call carries out a call. The caller holds mu.
func (s *Server) call(name string, a args) (answer, error) {
	m, ok := s.methods[name]
	if !ok {
		return answer{}, refusal{code: "unknown_method"}
	}
	if err := s.authorise(m, a.token); err != nil {
		return answer{}, err
	}
	if wait := s.brakes.limited(name, m.tier, s.config.Now()); wait > 0 && !s.config.Limits.Off {
		return answer{}, limitedError{wait}
	}
	body, err := m.run(s, a)
	if err != nil {
		return answer{}, err
	}
	body["ok"] = true
	ans := jsonAnswer(body)
	ans.header = map[string]string{"X-OAuth-Scopes": strings.Join(s.config.App.Scopes, ",")}
	return ans, nil
}

func (s *Server) authorise(m method, token string) error {
	wanted, other := s.config.App.BotToken, s.config.App.AppToken
	if m.appToken {
		wanted, other = other, wanted
	}
	switch {
	case token == "":
		return refusal{code: "not_authed"}
	case token == other:
		return refusal{code: "not_allowed_token_type"}
	case token != wanted:
		return refusal{code: "invalid_auth"}
	case s.revoked != "":
		return refusal{code: s.revoked}
	case m.needs != "" && !s.config.may(m.needs):
		return s.missingScope(m.needs)
	}
	return nil
}

func (s *Server) missingScope(scope string) error {
	return refusal{code: "missing_scope", needed: scope, provided: strings.Join(s.config.App.Scopes, ",")}
}

func (s *Server) authTest(args) (object, error) {
	return object{
		"url": "https://" + s.config.App.TeamDomain + ".slack.com/", "team": s.config.App.TeamDomain, "team_id": s.config.App.TeamID,
		"user": "firebreak", "user_id": s.config.App.UserID, "bot_id": s.config.App.BotID, "is_enterprise_install": false,
	}, nil
}

// readArgs reads a call. A token counts in the header, or in the body of a form; never in the query, where it would be logged.
func readArgs(r *http.Request) (args, error) {
	a := args{values: map[string]string{}}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxRequest+1))
	if err != nil || len(body) > maxRequest {
		return a, refusal{code: "request_timeout"}
	}
	form := r.URL.Query()
	form.Del("token")
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	switch strings.TrimSpace(kind) {
	case "application/json":
		if err := readJSON(body, a.values); err != nil {
			return a, err
		}
	case "application/x-www-form-urlencoded", "":
		posted, err := url.ParseQuery(string(body))
		if err != nil {
			return a, refusal{code: "invalid_form_data"}
		}
		a.token = posted.Get("token")
		posted.Del("token")
		for name, values := range posted {
			form[name] = slices.Concat(form[name], values)
		}
	default:
		return a, refusal{code: "invalid_post_type"}
	}
	for name, values := range form {
		a.values[name] = values[len(values)-1]
	}
	if bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		a.token = bearer
	}
	return a, nil
}

// readJSON reads an object; what is no string in it stays JSON.
func readJSON(body []byte, into map[string]string) error {
	if len(body) == 0 {
		return nil
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(body, &fields) != nil {
		return refusal{code: "invalid_json"}
	}
	for name, raw := range fields {
		var text string
		if json.Unmarshal(raw, &text) != nil {
			text = string(raw)
		}
		into[name] = text
	}
	return nil
}

package fakeslack

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
)

// serveResponseURL takes an answer to a press. Whoever knows the URL may, five times in thirty minutes.
func (s *Server) serveResponseURL(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxRequest))
	s.mu.Lock()
	call := Call{Method: ResponseURLs, At: s.config.Now()}
	fault := s.faults.take(ResponseURLs)
	if !fault.Kind.accepts() {
		call.Answer = string(fault.Kind)
		s.remember(call)
		s.mu.Unlock()
		s.failInstead(w, r, fault)
		return
	}
	ans := answer{status: http.StatusOK, body: []byte(`{"ok":true}`)}
	if err == nil {
		err = s.respond(r.URL.Path, body)
	}
	call.Answer, call.Accepted = "ok", err == nil
	if err != nil {
		ans, call.Answer = refused(err)
		ans.status = http.StatusBadRequest
		if call.Answer == "expired_url" || call.Answer == "used_url" || call.Answer == "invalid_url" {
			ans.status = http.StatusNotFound
		}
	}
	s.remember(call)
	s.mu.Unlock()
	s.failAfter(w, r, fault, ans)
}

// reply is what is posted to a response URL.
type reply struct {
	Text            string          `json:"text"`
	Blocks          json.RawMessage `json:"blocks"`
	ThreadTS        string          `json:"thread_ts"`
	ResponseType    string          `json:"response_type"`
	ReplaceOriginal bool            `json:"replace_original"`
	DeleteOriginal  bool            `json:"delete_original"`
}

// respond carries out an answer to a press. The caller holds mu.
func (s *Server) respond(path string, body []byte) error {
	target, ok := s.exchange.responses[path]
	switch {
	case !ok:
		return refusal{code: "invalid_url"}
	case s.config.Now().Sub(target.at) > responseLives:
		return refusal{code: "expired_url"}
	case target.uses >= responseUses:
		return refusal{code: "used_url"}
	}
	var in reply
	if json.Unmarshal(body, &in) != nil {
		return refusal{code: "invalid_payload"}
	}
	v := Version{At: s.config.Now(), Text: in.Text}
	var err error
	blocks := string(in.Blocks)
	if blocks == "null" {
		blocks = ""
	}
	if v.Blocks, err = checkBlocks(blocks, messageSurface, s.board.nextTS(v.At)); err != nil {
		return err
	}
	original := slices.IndexFunc(s.board.messages, func(m *Message) bool { return m.TS == target.message })
	if in.DeleteOriginal {
		target.uses++
		s.board.messages[original].Deleted = true
		return nil
	}
	if v.empty() {
		return refusal{code: "no_text"}
	}
	target.uses++
	if in.ReplaceOriginal {
		m := s.board.messages[original]
		m.Versions = append(slices.Clone(m.Versions), v)
		return nil
	}
	m := s.post(target.channel, args{values: map[string]string{"thread_ts": in.ThreadTS}}, v)
	if in.ResponseType != "in_channel" {
		m.EphemeralTo = target.user
	}
	return nil
}

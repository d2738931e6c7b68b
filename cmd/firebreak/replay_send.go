package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/firebreak-sre/firebreak/console/recordings"
)

// send tells messages of the past again on a subject of their own.
func (c *replayCmd) send(a *app, source records) error {
	speed, err := speedOf(c.Speed)
	if err != nil {
		return err
	}
	t, sent := teller{app: a, speed: speed, json: true}, 0
	far := a.progress("telling again", "messages", 0, c.JSON)
	defer far.end()
	err = far.over(source)(a.ctx, func(m recorded) error {
		if err := t.wait(m.Events[0].At); err != nil {
			return err
		}
		text, err := json.Marshal(recordings.Message{Subject: c.To, Incident: m.ID, Seq: m.Seq, At: m.At, Events: m.raw})
		if err != nil {
			return fmt.Errorf("write message %d: %w", m.Seq, err)
		}
		req, err := c.request(a.ctx, http.MethodPost, "/api/v1/replays", nil, bytes.NewReader(text))
		if err != nil {
			return err
		}
		body, err := c.server.send(req)
		if err != nil {
			return err
		}
		sent++
		return body.Close()
	})
	if err == nil && sent == 0 {
		err = errNothing
	}
	if a.ctx.Err() != nil {
		err = nil // interrupted
	}
	if err == nil {
		fmt.Fprintf(a.stdout, "%d messages were told again on %s\n", sent, c.To)
	}
	return err
}

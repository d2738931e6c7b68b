package fakeslack_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/slack-go/slack"

	"github.com/firebreak-sre/firebreak/internal/testbed/fakeslack"
)

// modal asks why, and carries the request.
func modal() slack.ModalViewRequest {
	plain := func(s string) *slack.TextBlockObject {
		return slack.NewTextBlockObject(slack.PlainTextType, s, false, false)
	}
	input := slack.NewInputBlock("why", plain("Why?"), nil, slack.NewPlainTextInputBlockElement(nil, "reason"))
	return slack.ModalViewRequest{
		Type: slack.VTModal, CallbackID: "deny", PrivateMetadata: "req-1", Title: plain("Deny"), Submit: plain("Deny"),
		Blocks: slack.Blocks{BlockSet: []slack.Block{input}},
	}
}

// press makes a fresh trigger.
func press(t *testing.T, s *fakeslack.Server, api *slack.Client) string {
	t.Helper()
	ts := mustPost(t, api, slack.MsgOptionText("x", false), button("deny", "req-1"))
	d, err := s.Press(soon(t), ts, "deny", alice)
	if err != nil {
		t.Fatal(err)
	}
	return d.TriggerID
}

// A modal is opened by a fresh trigger, stays open while the app finds fault with it, and closes when it is content.
func TestModal(t *testing.T) {
	t.Parallel()
	s, api := start(t, quiet())
	a := &app{before: func(w http.ResponseWriter, cb slack.InteractionCallback) bool {
		if cb.Type != slack.InteractionTypeViewSubmission || cb.View.State.Values["why"]["reason"].Value != "because" {
			return false
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(slack.NewErrorsViewSubmissionResponse(map[string]string{"why": "say more"}))
		return true
	}}
	listen(t, s, a)
	ctx := soon(t)
	opened, err := api.OpenViewContext(ctx, press(t, s, api), modal())
	if err != nil {
		t.Fatal(err)
	}
	v := s.Views()
	if len(v) != 1 || !v[0].Open || v[0].User != alice || v[0].PrivateMetadata != "req-1" || v[0].Title != "Deny" || opened.ID != v[0].ID {
		t.Fatalf("views %+v, opened %s", v, opened.ID)
	}
	if _, err := s.Submit(ctx, opened.ID, nil); err == nil {
		t.Error("an empty required field was submitted")
	}
	if _, err := s.Submit(ctx, opened.ID, map[string]string{"reason": "because"}); err != nil {
		t.Fatal(err)
	}
	if v := s.Views()[0]; !v.Open || v.Errors["why"] != "say more" {
		t.Errorf("after the fault: %+v", v)
	}
	d, err := s.Submit(ctx, opened.ID, map[string]string{"reason": "it is Christmas"})
	if err != nil || !d.InTime || s.Views()[0].Open || s.Views()[0].Errors != nil {
		t.Errorf("after the submission: %+v, %v", s.Views()[0], err)
	}
	got := a.seen()
	last := got[len(got)-1]
	if last.View.PrivateMetadata != "req-1" || last.View.CallbackID != "deny" || last.User.ID != alice {
		t.Errorf("submission %+v", last.View)
	}
	if typed := last.View.State.Values["why"]["reason"].Value; typed != "it is Christmas" {
		t.Errorf("typed %q", typed)
	}
	if _, err := s.Submit(ctx, opened.ID, map[string]string{"reason": "again"}); err == nil {
		t.Error("a closed modal was submitted")
	}
}

// A trigger works once, for three seconds, and not at all if it was made up.
func TestTrigger(t *testing.T) {
	t.Parallel()
	clock := &clock{now: time.Now()}
	c := quiet()
	c.Now = clock.Now
	s, api := start(t, c)
	listen(t, s, &app{})
	ctx := soon(t)
	trigger := press(t, s, api)
	clock.Add(3 * time.Second)
	if _, err := api.OpenViewContext(ctx, trigger, modal()); err != nil {
		t.Errorf("at three seconds: %v", err)
	}
	if _, err := api.OpenViewContext(ctx, trigger, modal()); code(err) != "exchanged_trigger_id" {
		t.Errorf("twice: %v", err)
	}
	late := press(t, s, api)
	clock.Add(3*time.Second + time.Millisecond)
	if _, err := api.OpenViewContext(ctx, late, modal()); code(err) != "expired_trigger_id" {
		t.Errorf("late: %v", err)
	}
	if _, err := api.OpenViewContext(ctx, "1.2.3", modal()); code(err) != "invalid_trigger_id" {
		t.Errorf("made up: %v", err)
	}
	if len(s.Views()) != 1 {
		t.Errorf("%d views", len(s.Views()))
	}
}

// The limits of a modal hold, and a refused one leaves the trigger fresh.
func TestModalLimits(t *testing.T) {
	t.Parallel()
	s, api := start(t, quiet())
	listen(t, s, &app{})
	ctx := soon(t)
	trigger := press(t, s, api)
	long := func(n int) *slack.TextBlockObject {
		return slack.NewTextBlockObject(slack.PlainTextType, strings.Repeat("x", n), false, false)
	}
	for name, spoil := range map[string]func(*slack.ModalViewRequest){
		"title":            func(v *slack.ModalViewRequest) { v.Title = long(25) },
		"submit":           func(v *slack.ModalViewRequest) { v.Submit = long(25) },
		"close":            func(v *slack.ModalViewRequest) { v.Close = long(25) },
		"private metadata": func(v *slack.ModalViewRequest) { v.PrivateMetadata = strings.Repeat("x", 3001) },
		"callback id":      func(v *slack.ModalViewRequest) { v.CallbackID = strings.Repeat("x", 256) },
		"no submit":        func(v *slack.ModalViewRequest) { v.Submit = nil },
		"kind":             func(v *slack.ModalViewRequest) { v.Type = slack.VTHomeTab },
	} {
		v := modal()
		spoil(&v)
		if _, err := api.OpenViewContext(ctx, trigger, v); code(err) != "invalid_arguments" {
			t.Errorf("%s: %v", name, err)
		}
	}
	crowd := modal()
	for range 100 {
		crowd.Blocks.BlockSet = append(crowd.Blocks.BlockSet, slack.NewDividerBlock())
	}
	if _, err := api.OpenViewContext(ctx, trigger, crowd); code(err) != "invalid_blocks" {
		t.Errorf("101 blocks: %v", err)
	}
	crowd.Blocks.BlockSet = crowd.Blocks.BlockSet[:100]
	if _, err := api.OpenViewContext(ctx, trigger, crowd); err != nil {
		t.Errorf("100 blocks: %v", err)
	}
}

// A response URL answers the presser alone, or everybody, or replaces the message; five times, for half an hour.
func TestResponseURL(t *testing.T) {
	t.Parallel()
	clock := &clock{now: time.Now()}
	c := quiet()
	c.Now = clock.Now
	s, api := start(t, c)
	listen(t, s, &app{})
	ctx := soon(t)
	ts := mustPost(t, api, slack.MsgOptionText("may I", false), button("approve", "x"))
	d, err := s.Press(ctx, ts, "approve", alice)
	if err != nil {
		t.Fatal(err)
	}
	send := func(m slack.WebhookMessage) error { return slack.PostWebhookContext(ctx, d.ResponseURL, &m) }
	if err := send(slack.WebhookMessage{Text: "not you", ResponseType: slack.ResponseTypeEphemeral}); err != nil {
		t.Error(err)
	}
	if got := s.Ephemerals(ops); len(got) != 1 || got[0].EphemeralTo != alice {
		t.Errorf("ephemerals %v", got)
	}
	if err := send(slack.WebhookMessage{Text: "all", ResponseType: slack.ResponseTypeInChannel}); err != nil || len(s.Messages(ops)) != 2 {
		t.Errorf("in channel: %v", err)
	}
	if err := send(slack.WebhookMessage{Text: "done", ReplaceOriginal: true}); err != nil {
		t.Error(err)
	}
	if m, _ := s.Message(ts); m.Latest().Text != "done" || len(m.Buttons()) != 0 {
		t.Errorf("replaced: %v", m)
	}
	if err := send(slack.WebhookMessage{}); err == nil {
		t.Error("an empty answer was taken")
	}
	for range 2 {
		if err := send(slack.WebhookMessage{Text: "x"}); err != nil {
			t.Error(err)
		}
	}
	if err := send(slack.WebhookMessage{Text: "x"}); err == nil {
		t.Error("a sixth use was taken")
	}
	again, err := s.PressStale(ctx, ts, "approve", alice)
	if err != nil {
		t.Fatal(err)
	}
	clock.Add(30*time.Minute + time.Second)
	for to, want := range map[string]string{
		d.ResponseURL: "expired_url", again.ResponseURL: "expired_url", again.ResponseURL + "x": "invalid_url",
	} {
		if got := post(t, to, "application/json", "", `{"text":"x"}`); got.Error != want {
			t.Errorf("got %q, want %q", got.Error, want)
		}
	}
}

// A response URL breaks like everything else.
func TestResponseURLFaults(t *testing.T) {
	t.Parallel()
	s, api := start(t, quiet())
	listen(t, s, &app{})
	ctx := soon(t)
	ts := mustPost(t, api, slack.MsgOptionText("may I", false), button("approve", "x"))
	d, err := s.Press(ctx, ts, "approve", alice)
	if err != nil {
		t.Fatal(err)
	}
	s.Break(fakeslack.ResponseURLs, fakeslack.Fault{Kind: fakeslack.AcceptThenCut, Times: 1})
	s.Break(fakeslack.ResponseURLs, fakeslack.Fault{Kind: fakeslack.CutBefore, Times: 1})
	for range 2 {
		if err := slack.PostWebhookContext(ctx, d.ResponseURL, &slack.WebhookMessage{Text: "x"}); err == nil {
			t.Error("it did not break")
		}
	}
	if got := len(s.Ephemerals(ops)); got != 1 {
		t.Errorf("%d were kept, want the accepted one", got)
	}
	m, err := json.Marshal(map[string]any{"delete_original": true})
	if err != nil {
		t.Fatal(err)
	}
	if got := post(t, d.ResponseURL, "application/json", "", string(m)); !got.OK || len(s.Messages(ops)) != 0 {
		t.Errorf("deleted: %+v, %v", got, s.Messages(ops))
	}
}

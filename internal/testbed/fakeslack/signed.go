package fakeslack

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// The headers by which the app knows that a request comes from Slack.
const (
	signatureHeader = "X-Slack-Signature"
	timestampHeader = "X-Slack-Request-Timestamp"
)

// sign is the signature of a body at a time.
func sign(secret, timestamp, body string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	// A hash does not fail.
	_, _ = fmt.Fprintf(mac, "v0:%s:%s", timestamp, body)
	return "v0=" + hex.EncodeToString(mac.Sum(nil))
}

// form is the body of an interaction request.
func form(payload []byte) string { return url.Values{"payload": {string(payload)}}.Encode() }

// interactionRequest is a request to the app with a body and a signature made at a time.
func (s *Server) interactionRequest(ctx context.Context, to, body string, at time.Time) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("build interaction request: %w", err)
	}
	timestamp := strconv.FormatInt(at.Unix(), 10)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("User-Agent", "Slackbot 1.0 (+https://api.slack.com/robots)")
	r.Header.Set(timestampHeader, timestamp)
	r.Header.Set(signatureHeader, sign(s.config.App.SigningSecret, timestamp, body))
	return r, nil
}

// deliverHTTP posts an interaction. It is not retried: the person sees a warning and presses again.
func (s *Server) deliverHTTP(ctx context.Context, d *Delivery, to string) {
	// An answer that comes too late is still worth knowing about, so the request is given longer than the app has.
	ctx, cancel := context.WithTimeout(ctx, 2*s.config.Interaction.AckWithin)
	defer cancel()
	start := time.Now()
	status, body, err := s.send(ctx, to, form(d.Payload), s.config.Now(), nil)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		d.Lost = err.Error()
		s.touch()
		return
	}
	d.Status = status
	s.answered(d, time.Since(start), status == http.StatusOK, body)
}

// send posts a signed body, after change has had its way with the request.
func (s *Server) send(ctx context.Context, to, body string, at time.Time, change func(*http.Request)) (int, []byte, error) {
	r, err := s.interactionRequest(ctx, to, body, at)
	if err != nil {
		return 0, nil, err
	}
	if change != nil {
		change(r)
	}
	resp, err := s.config.Interaction.Client.Do(r)
	if err != nil {
		return 0, nil, fmt.Errorf("post interaction: %w", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxRequest))
	if err != nil {
		return 0, nil, fmt.Errorf("read answer to interaction: %w", err)
	}
	return resp.StatusCode, answer, nil
}

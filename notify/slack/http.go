package slack

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
)

// maxBody bounds the body of a request. A press comes with the whole message that it was made on.
const maxBody = 1 << 20

// ServeHTTP takes what Slack posts when somebody presses or submits something. The signature is checked before anything of the body is
// believed, and only the signed body is looked at.
func (c *clicks) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v := c.post(w, r)
	if v.body != nil {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(v.status)
	// Who has gone gets nothing, and nobody is to be told.
	_, _ = w.Write(v.body)
}

func (c *clicks) post(w http.ResponseWriter, r *http.Request) verdict {
	if c.config.SigningSecret == "" {
		return c.count("unsigned", http.StatusNotFound)
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return c.count("unsigned", http.StatusMethodNotAllowed)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return c.count("too_large", http.StatusRequestEntityTooLarge)
	case err != nil:
		return c.count("unsigned", http.StatusBadRequest)
	}
	if err := verify(r.Header, body, c.config.SigningSecret.Reveal(), c.config.Now()); err != nil {
		// Strangers can send any number of them: they are counted, and whoever serves this says of whom they come.
		c.log.Debug().Err(err).Msg("a request was refused: slack did not send it")
		return c.count("unsigned", http.StatusUnauthorized)
	}
	payload, ok := payloadOf(r.Header.Get("Content-Type"), body)
	if !ok {
		return c.count("forged", http.StatusBadRequest)
	}
	return c.take(r.Context(), payload)
}

// payloadOf is the one payload of a form. The address of the request is never asked: nobody signs it.
func payloadOf(contentType string, body []byte) ([]byte, bool) {
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, false
	}
	form, err := url.ParseQuery(string(body))
	if err != nil || len(form["payload"]) != 1 {
		return nil, false
	}
	return []byte(form["payload"][0]), true
}

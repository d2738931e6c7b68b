package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"unicode"

	"github.com/firebreak-sre/firebreak/policy"
)

// maxAnswer is the largest answer that is read, after decompression.
const maxAnswer = 1 << 20

// maxWords bounds what is repeated of a stranger's error text.
const maxWords = 200

var errTooLarge = errors.New("the answer is larger than 1 MiB")

// refuseRedirects copies the client, so that a probe never leaves the host that the policy names and never takes its
// token elsewhere.
func refuseRedirects(c *http.Client) *http.Client {
	own := *c
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}

// fetcher reads bounded documents with one bearer token, or with none.
type fetcher struct {
	client *http.Client
	token  policy.Secret
}

// get returns the status and the body of an answer. It follows no redirect and repeats nothing. Its errors name no
// part of the URL beyond host and path, and never the token.
func (f fetcher) get(ctx context.Context, address string) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, nil, errors.New("build request: the URL cannot be used")
	}
	req.Header.Set("Accept", "application/json")
	if f.token != "" {
		req.Header.Set("Authorization", "Bearer "+f.token.Reveal())
	}
	resp, err := f.client.Do(req)
	if err != nil {
		return 0, nil, fmt.Errorf("get %s: %w", redacted(address), bare(ctx, err))
	}
	defer resp.Body.Close() //nolint:errcheck // Nothing is left to read.
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		return 0, nil, fmt.Errorf("get %s: answered %d: redirects are not followed", redacted(address), resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return 0, nil, fmt.Errorf("get %s: read answer: %w", redacted(address), bare(ctx, err))
	}
	if len(body) > maxAnswer {
		return 0, nil, fmt.Errorf("get %s: %w", redacted(address), errTooLarge)
	}
	return resp.StatusCode, body, nil
}

// quote makes a stranger's text fit to be shown: short, printable, and without our token.
func (f fetcher) quote(text string) string {
	if f.token != "" {
		text = strings.ReplaceAll(text, f.token.Reveal(), f.token.String())
	}
	text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, strings.ToValidUTF8(text, "?"))
	if runes := []rune(text); len(runes) > maxWords {
		return string(runes[:maxWords]) + "…"
	}
	return text
}

// bare takes the URL out of an error of the HTTP client, and names the deadline where that was the cause.
func bare(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// redacted is a URL's scheme, host and path: no user, no password, no query.
func redacted(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "[unreadable URL]"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

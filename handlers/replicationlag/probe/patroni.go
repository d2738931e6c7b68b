package probe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/firebreak-sre/firebreak/handlers/replicationlag"
	"github.com/firebreak-sre/firebreak/policy"
)

// maxAnswer is the largest answer of Patroni that is read, after decompression.
const maxAnswer = 1 << 20

// refuseRedirects copies the client, so that a look never leaves the hosts that the policy names.
func refuseRedirects(c *http.Client) *http.Client {
	own := *c
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}

// readPatroni asks all members at once and believes the first that answers: they all read the same store, and a member that hangs must
// not cost the look its time.
func (p *Prober) readPatroni(ctx context.Context, named policy.Patroni) *replicationlag.Patroni {
	ctx, cancel := within(ctx, named.Timeout)
	defer cancel()
	type answer struct {
		index int
		seen  *replicationlag.Patroni
		err   error
	}
	answers := make(chan answer, len(named.URLs))
	for i, base := range named.URLs {
		go func() { // ends with ctx at the latest, and is waited for below
			seen, err := p.askPatroni(ctx, base)
			answers <- answer{i, seen, err}
		}()
	}
	problems := make([]string, len(named.URLs))
	var first *replicationlag.Patroni
	for range named.URLs {
		a := <-answers
		switch {
		case a.err != nil:
			problems[a.index] = a.err.Error()
		case first == nil:
			first = a.seen
			cancel()
		}
	}
	switch {
	case first != nil:
		return first
	case len(named.URLs) == 0:
		return &replicationlag.Patroni{Problem: "patroni.urls is empty"}
	}
	return &replicationlag.Patroni{Problem: printable(strings.Join(problems, "; "))}
}

// clusterAnswer is what is read of GET /cluster, which versions 3 and 4 share. What it says about lag is not: it is sampled once in a
// while, and may be text.
type clusterAnswer struct {
	Members []struct {
		Name     string `json:"name"`
		Role     string `json:"role"`
		State    string `json:"state"`
		Timeline int    `json:"timeline"`
	} `json:"members"`
	Pause      bool            `json:"pause"`
	Switchover json.RawMessage `json:"scheduled_switchover"`
}

// askPatroni asks one member. Its errors name the member by scheme, host and path.
func (p *Prober) askPatroni(ctx context.Context, base string) (*replicationlag.Patroni, error) {
	address := strings.TrimSuffix(base, "/") + "/cluster"
	body, err := p.get(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", redacted(address), err)
	}
	var a clusterAnswer
	if err := json.Unmarshal(body, &a); err != nil {
		return nil, fmt.Errorf("get %s: the answer is not that of Patroni's /cluster", redacted(address))
	}
	if len(a.Members) == 0 {
		return nil, fmt.Errorf("get %s: it names no members", redacted(address))
	}
	seen := &replicationlag.Patroni{Paused: a.Pause, Switchover: len(a.Switchover) > 0 && string(a.Switchover) != "null"}
	for _, m := range a.Members {
		seen.Members = append(seen.Members, replicationlag.Member{Name: printable(m.Name), Role: printable(m.Role), State: printable(m.State),
			Timeline: m.Timeline})
	}
	return seen, nil
}

// get returns the body of an answer 200. It follows no redirect and repeats nothing.
func (p *Prober) get(ctx context.Context, address string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, errors.New("the URL cannot be used")
	}
	req.Header.Set("Accept", "application/json")
	resp, err := p.client.Do(req)
	if err != nil {
		return nil, bare(ctx, err)
	}
	defer resp.Body.Close() //nolint:errcheck // Nothing is left to read.
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("answered %d", resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, bare(ctx, err)
	case len(body) > maxAnswer:
		return nil, errors.New("the answer is larger than 1 MiB")
	}
	return body, nil
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

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// errUnhealthy says that the server answered, and that it is not well.
var errUnhealthy = errors.New("not well")

// maxHealthBody is how much of an answer is read.
const maxHealthBody = 1 << 16

type healthCmd struct {
	server
	Ready   bool          `help:"Also ask whether it can store alerts now."`
	Timeout time.Duration `help:"How long the server may take to answer." default:"3s"`
}

// Help is what "firebreak health --help" teaches.
func (c *healthCmd) Help() string {
	return `For what starts and watches processes: an image without a shell has nothing else to ask with. It exits with 0 if the server is well, else with
1 and one line. Without --ready it asks whether the process lives, which is what a restart could mend. With --ready it asks whether the bus takes
alerts now, which a restart does not mend. Neither needs a token.`
}

// Run asks once.
func (c *healthCmd) Run(a *app) error {
	if c.Timeout <= 0 {
		return fmt.Errorf("--timeout %s: write a time, such as 3s", c.Timeout)
	}
	ctx, cancel := context.WithTimeout(a.ctx, c.Timeout)
	defer cancel()
	path := "/healthz"
	if c.Ready {
		path = "/readyz"
	}
	body, err := c.ask(ctx, path)
	if err != nil {
		return err
	}
	if c.Ready {
		if err := readyIn(body); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintln(a.stdout, "ok")
	return err
}

// ask is the answer of the server, which must be 200. A redirect is none: it is somebody else who would be asked.
func (c *healthCmd) ask(ctx context.Context, path string) ([]byte, error) {
	req, err := c.request(ctx, http.MethodGet, path, nil, nil)
	if err != nil {
		return nil, err
	}
	// A token that the variables happen to hold is not for this question.
	req.Header.Del("Authorization")
	shared, err := c.client()
	if err != nil {
		return nil, err
	}
	client := *shared
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask the server at %s: %w", c.Server, err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxHealthBody))
	if err != nil {
		return nil, fmt.Errorf("read the answer of %s: %w", c.Server, err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%w: the server answered %s%s", errUnhealthy, resp.Status, reasonsIn(body))
	}
	return body, nil
}

// readiness is the answer of /readyz.
type readiness struct {
	Ready    bool              `json:"ready"`
	NotReady map[string]string `json:"not_ready"`
}

// readyIn says whether an answer with 200 is Firebreak's yes: something else may listen there.
func readyIn(body []byte) error {
	var r readiness
	if err := json.Unmarshal(body, &r); err != nil {
		return fmt.Errorf("%w: what answered is not Firebreak: %w", errUnhealthy, err)
	}
	if !r.Ready {
		return fmt.Errorf("%w: it says that it is not ready%s", errUnhealthy, reasonsIn(body))
	}
	return nil
}

// reasonsIn are the words with which an answer says what does not work, "" if it says nothing.
func reasonsIn(body []byte) string {
	var r readiness
	if json.Unmarshal(body, &r) != nil || len(r.NotReady) == 0 {
		return ""
	}
	var words []string
	for _, name := range slices.Sorted(maps.Keys(r.NotReady)) {
		words = append(words, clean(name, 40)+": "+clean(r.NotReady[name], 300))
	}
	return ": " + strings.Join(words, "; ")
}

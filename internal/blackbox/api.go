package blackbox

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"
)

// API is a Firebreak's API over HTTP.
type API struct {
	URL string
	// Token is presented, unless it is empty.
	Token  string
	Client *http.Client
}

// List reads one object a line.
func List[T any](a API, path string) ([]T, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.URL+path, nil)
	if err != nil {
		return nil, err
	}
	if a.Token != "" {
		req.Header.Set("Authorization", "Bearer "+a.Token)
	}
	resp, err := a.Client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<12))
		return nil, fmt.Errorf("get %s: %s: %s", path, resp.Status, text)
	}
	var all []T
	for lines := bufio.NewReader(resp.Body); ; {
		line, end := lines.ReadBytes('\n')
		if len(line) > 0 {
			var v T
			if err := json.Unmarshal(line, &v); err != nil {
				return nil, fmt.Errorf("get %s: %w", path, err)
			}
			all = append(all, v)
		}
		if end == io.EOF {
			return all, nil
		}
		if end != nil {
			return nil, fmt.Errorf("get %s: %w", path, end)
		}
	}
}

// Records are all incidents, oldest first.
func (a API) Records() ([]Record, error) {
	sums, err := List[Summary](a, "/api/v1/incidents?since=1h")
	if err != nil {
		return nil, err
	}
	var all []Record
	for _, s := range slices.Backward(sums) {
		found, err := List[Record](a, "/api/v1/incidents/"+s.ID)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

package probe

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/tidwall/gjson"

	"github.com/firebreak-sre/firebreak/handlers/retrystorm"
	"github.com/firebreak-sre/firebreak/policy"
)

// observeJSON reads the counters of all instances at once. Each is kept by itself: a restart resets the counters of
// one instance, which no sum could show.
func (p *Prober) observeJSON(ctx context.Context, doc *policy.JSONProbe, at time.Time) retrystorm.Observation {
	o := retrystorm.Observation{At: at, Source: retrystorm.SourceJSON, Instances: make([]retrystorm.Instance, len(doc.URLs))}
	f := fetcher{client: p.client, token: doc.BearerToken}
	names := instanceNames(doc.URLs)
	var all sync.WaitGroup
	for i, address := range doc.URLs {
		all.Go(func() {
			n, err := readInstance(ctx, f, doc, address)
			// The clock is read when the answer is there: it is as close as can be told to when the counters were.
			o.Instances[i] = retrystorm.Instance{Name: names[i], At: time.Now().UTC(), Numbers: n}
			if err != nil {
				o.Instances[i] = retrystorm.Instance{Name: names[i], Err: f.quote(err.Error())}
			}
		})
	}
	all.Wait()
	o.Read = o.Readable()
	return o
}

// instanceNames are host and path of the URLs, numbered where several share them.
func instanceNames(addresses []string) []string {
	seen := make(map[string]int, len(addresses))
	names := make([]string, len(addresses))
	for i, address := range addresses {
		name := fmt.Sprintf("instance %d", i+1)
		if u, err := url.Parse(address); err == nil {
			name = u.Host + u.Path
		}
		seen[name]++
		if n := seen[name]; n > 1 {
			name = fmt.Sprintf("%s#%d", name, n)
		}
		names[i] = name
	}
	return names
}

// readInstance reads one document. An error means that nothing of it could be read.
func readInstance(ctx context.Context, f fetcher, p *policy.JSONProbe, address string) (retrystorm.Numbers, error) {
	status, body, err := f.get(ctx, address)
	if err != nil {
		return retrystorm.Numbers{}, err
	}
	if status != http.StatusOK {
		return retrystorm.Numbers{}, fmt.Errorf("get %s: answered %d", redacted(address), status)
	}
	if !gjson.ValidBytes(body) {
		return retrystorm.Numbers{}, fmt.Errorf("get %s: the answer is not JSON", redacted(address))
	}
	doc := gjson.ParseBytes(body)
	at := func(path string) retrystorm.Number {
		if path == "" {
			return retrystorm.Number{}
		}
		return f.number(valueAt(doc, path))
	}
	return retrystorm.Numbers{
		Calls: at(p.Calls), Attempts: at(p.Attempts), Successes: at(p.Successes), Failures: at(p.Failures),
		PoolWaiting: at(p.PoolWaiting), QueueAge: at(p.QueueAge),
	}, nil
}

// valueAt wants a JSON number at the path. Text that looks like a number, null, and lists are not guessed at.
func valueAt(doc gjson.Result, path string) (float64, error) {
	r := doc.Get(path)
	switch {
	case !r.Exists():
		return 0, fmt.Errorf("no value at path %q", path)
	case r.IsArray():
		return 0, fmt.Errorf("a list is at path %q: the path must give one number", path)
	case r.Type != gjson.Number:
		return 0, fmt.Errorf("%s, not a number, is at path %q", r.Type, path)
	}
	return r.Num, nil
}

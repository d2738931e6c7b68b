package families_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/firebreak-sre/firebreak/handlers/replay"
	"github.com/firebreak-sre/firebreak/handlers/replay/families"
	"github.com/firebreak-sre/firebreak/handlers/replay/incidentfile"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
)

// secret is a value for every variable of the policies here: all of them are secrets.
func secret(name string) (string, bool) { return "0123456789abcdef-" + name, true }

// corpus calls fn for each incident that was recorded on real systems, with the text of the policy that lies beside it.
func corpus(t *testing.T, fn func(t *testing.T, file string, f incidentfile.File, text string)) {
	t.Helper()
	files, err := filepath.Glob("testdata/incidents/*/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, path := range files {
		t.Run(strings.TrimSuffix(strings.TrimPrefix(path, "testdata/incidents/"), ".json"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(filepath.Join(filepath.Dir(path), "policy.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			in, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = in.Close() }()
			f, err := incidentfile.Read(in)
			if err != nil {
				t.Fatal(err)
			}
			fn(t, path, f, string(text))
		})
	}
}

func rulesOf(t *testing.T, text string) replay.Rules {
	t.Helper()
	p, err := policy.Parse("policy.yaml", []byte(text), secret)
	if err != nil {
		t.Fatal(err)
	}
	r, err := families.Rules(p, "v1")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Every decision of every incident that was recorded on real systems can still be derived, bit for bit, and comes to the same.
func TestCorpus(t *testing.T) {
	t.Parallel()
	corpus(t, func(t *testing.T, _ string, f incidentfile.File, text string) {
		rules := rulesOf(t, text)
		records, err := f.Records()
		if err != nil {
			t.Fatal(err)
		}
		checker := replay.NewChecker(rules)
		for _, m := range records {
			checker.Next(m)
		}
		if got := checker.Result(); got.Decisions == 0 || got.Identical != got.Decisions || got.Unsaid > 0 {
			t.Errorf("%+v, first %v: want all decisions identical", got, got.First)
		}
		result, words, err := f.Try(rules)
		if err != nil || len(words) > 0 || result.Differs {
			t.Errorf("%q, %v; then %+v, now %+v", words, err, result.Then, result.Now)
		}
	})
}

// Under a policy that only observes, the same incidents come to nothing but words: what was done would not have been.
func TestCorpusObserving(t *testing.T) {
	t.Parallel()
	mode := regexp.MustCompile(`mode: auto`)
	corpus(t, func(t *testing.T, file string, f incidentfile.File, text string) {
		observing := mode.ReplaceAllString(text, "mode: observe")
		if observing == text {
			t.Fatalf("the policy of %s has no mode to change", file)
		}
		result, words, err := f.Try(rulesOf(t, observing))
		if err != nil {
			t.Fatal(err)
		}
		was, is := replay.Weightiest(result.Then), replay.Weightiest(result.Now)
		changed := was.Kind == replay.Acted || was.Kind == replay.Asked
		if changed != (len(words) > 0) {
			t.Errorf("%s then, and the differences are %q", was.Kind, words)
		}
		if changed && (is.Kind != replay.Refused || is.Reason != remediations.ReasonObserve || is.Fix != was.Fix) {
			t.Errorf("then %+v, now %+v: want that it is refused", was, is)
		}
	})
}

// The corpus has a change of every family in it, and incidents that were left alone.
func TestCorpusHasAll(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/incidents/*/*.json")
	if err != nil {
		t.Fatal(err)
	}
	acted, left := map[string]int{}, 0
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		handler, _, _ := strings.Cut(filepath.Base(filepath.Dir(path)), "-")
		if strings.Contains(string(text), `"kind":"intended"`) {
			acted[handler]++
		} else {
			left++
		}
	}
	for _, handler := range []string{"retrystorm", "replicationlag", "poolexhaustion"} {
		if acted[handler] == 0 {
			t.Errorf("no recorded incident of %s has a change in it", handler)
		}
	}
	if left < 3 {
		t.Errorf("%d recorded incidents were left alone, want some", left)
	}
}

// No machine's name, folder or secret is in the corpus.
func TestCorpusIsClean(t *testing.T) {
	t.Parallel()
	dirty := regexp.MustCompile(`/tmp/|/home/|/root/|of-the-test|token-of-|vm-\d`)
	files, err := filepath.Glob("testdata/incidents/*/*")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if found := dirty.Find(text); found != nil {
			t.Errorf("%s holds %q", path, found)
		}
	}
}

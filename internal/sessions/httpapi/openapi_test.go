package httpapi_test

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"

	"github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/internal/sessions/httpapi"
	"github.com/firebreak-sre/firebreak/internal/sessions/sessionstest"
)

// document is the published contract.
type document struct {
	root     map[string]any
	compiler *jsonschema.Compiler
}

func readDocument(t *testing.T) *document {
	t.Helper()
	text, err := os.ReadFile("../../../deploy/sessions/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var loose any
	if err := yaml.Unmarshal(text, &loose); err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal(loose)
	if err != nil {
		t.Fatal(err)
	}
	strict, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	if err != nil {
		t.Fatal(err)
	}
	d := &document{root: strict.(map[string]any), compiler: jsonschema.NewCompiler()}
	d.compiler.DefaultDraft(jsonschema.Draft2020)
	d.compiler.AssertFormat()
	if err := d.compiler.AddResource("openapi.yaml", strict); err != nil {
		t.Fatal(err)
	}
	return d
}

// at is a part of the document, references followed.
func (d *document) at(path ...string) any {
	var now any = d.root
	for _, name := range path {
		m, _ := now.(map[string]any)
		now = m[name]
		if m, ok := now.(map[string]any); ok {
			if ref, ok := m["$ref"].(string); ok && strings.HasPrefix(ref, "#/components/") && len(m) == 1 {
				now = d.at(strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
			}
		}
	}
	return now
}

// operation finds the path and the method of a request: "/v1/sessions/trial/{id}", "put".
func (d *document) operation(r *http.Request) (string, string) {
	path := r.URL.Path
	if strings.HasPrefix(path, httpapi.PathTrial+"/") {
		path = httpapi.PathTrial + "/{id}"
	}
	return path, strings.ToLower(r.Method)
}

// valid says what is wrong with a body by the schema of a media type.
func (d *document) valid(t *testing.T, schema any, body []byte) error {
	t.Helper()
	ref, _ := schema.(map[string]any)["$ref"].(string)
	compiled, err := d.compiler.Compile("openapi.yaml" + ref)
	if err != nil {
		t.Errorf("compile %s: %v", ref, err)
		return err
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return err
	}
	return compiled.Validate(value)
}

// judge is a transport that holds every request and every answer to the document.
type judge struct {
	t   *testing.T
	doc *document
	mu  sync.Mutex // guards the document, which compiles as it goes, and seen
	// seen are the operations and statuses that came by.
	seen map[string]bool
}

func (j *judge) RoundTrip(r *http.Request) (*http.Response, error) {
	var sent []byte
	if r.Body != nil {
		sent, _ = io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(sent))
	}
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	got, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	answer.Body = io.NopCloser(bytes.NewReader(got))
	j.mu.Lock()
	defer j.mu.Unlock()
	j.request(r, sent, answer.StatusCode)
	j.answer(r, answer, got)
	return answer, nil
}

// request holds a request to the document: the path, the parameters, the body. What the endpoint refused as malformed may be that.
func (j *judge) request(r *http.Request, body []byte, status int) {
	path, method := j.doc.operation(r)
	operation, ok := j.doc.at("paths", path, method).(map[string]any)
	if !ok {
		j.t.Errorf("%s %s is not in the document", r.Method, r.URL.Path)
		return
	}
	known := map[string]bool{}
	list, _ := operation["parameters"].([]any)
	for _, p := range list {
		m := p.(map[string]any)
		if ref, ok := m["$ref"].(string); ok {
			m = j.doc.at(strings.Split(strings.TrimPrefix(ref, "#/"), "/")...).(map[string]any)
		}
		name, _ := m["name"].(string)
		known[name] = true
		if m["in"] == "header" && r.Header.Get(name) == "" {
			j.t.Errorf("%s %s lacks the header %s", r.Method, path, name)
		}
	}
	for name := range r.URL.Query() {
		if !known[name] {
			j.t.Errorf("%s %s has the parameter %s, which is not in the document", r.Method, path, name)
		}
	}
	schema := j.doc.at("paths", path, method, "requestBody", "content", "application/json", "schema")
	if (schema != nil) != (len(body) > 0) {
		j.t.Errorf("%s %s: a body was sent: %t", r.Method, path, len(body) > 0)
	}
	if schema != nil && status != http.StatusBadRequest {
		raw := j.schema("paths", path, method, "requestBody", "content", "application/json")
		if err := j.doc.valid(j.t, raw, body); err != nil {
			j.t.Errorf("%s %s sends %s: %v", r.Method, path, body, err)
		}
	}
}

// schema is the reference to the schema of a media type, which at would follow.
func (j *judge) schema(path ...string) any {
	media, _ := j.doc.at(path...).(map[string]any)
	return media["schema"]
}

func (j *judge) answer(r *http.Request, answer *http.Response, body []byte) {
	path, method := j.doc.operation(r)
	status := strconv.Itoa(answer.StatusCode)
	j.seen[method+" "+path+" "+status] = true
	if j.doc.at("paths", path, method, "responses", status) == nil {
		j.t.Errorf("%s %s answers %s, which is not in the document: %s", r.Method, path, status, body)
		return
	}
	schema := j.schema("paths", path, method, "responses", status, "content", "application/json")
	if schema == nil {
		if len(body) > 0 {
			j.t.Errorf("%s %s answers %s with a body: %s", r.Method, path, status, body)
		}
		return
	}
	if err := j.doc.valid(j.t, schema, body); err != nil {
		j.t.Errorf("%s %s answers %s: %v", r.Method, path, body, err)
	}
}

func nodes(m *sessionstest.Memory) {
	for name, sees := range map[string][]string{"a": {"b", "c"}, "b": {"a", "c"}, "c": {"a", "b"}} {
		m.Register(sessions.Node{Name: name, Epoch: 7, Since: time.Now().Add(-time.Hour), LeaseUntil: time.Now().Add(time.Hour), Sees: sees})
	}
}

// everything is the bench of an endpoint, and can take the quorum away besides.
type everything struct {
	*sessionstest.Remote
	sessionstest.Partitioner
}

// The client, the reference endpoint and the document say the same: every message of a whole run of the suite is held to the document, and
// every operation and refusal in the document is seen.
func TestDocumentHolds(t *testing.T) {
	t.Parallel()
	m := sessionstest.NewMemory(time.Now, time.Minute)
	nodes(m)
	server := httptest.NewServer(sessionstest.NewServer(m, m, ""))
	t.Cleanup(server.Close)
	j := &judge{t: t, doc: readDocument(t), seen: map[string]bool{}}
	client, err := httpapi.New(httpapi.Config{URL: server.URL, Transport: j})
	if err != nil {
		t.Fatal(err)
	}
	bench := everything{sessionstest.NewRemote(client), m}
	if report := sessionstest.Run(t.Context(), client, sessionstest.Options{Bench: bench}); !report.OK() {
		t.Errorf("\n%s", report)
	}
	if err := bench.Remove(t.Context(), sessions.Key{ID: "somebody-elses"}); err == nil {
		t.Error("a session that is not the suite's is removed")
	}
	paths := j.doc.root["paths"].(map[string]any)
	for path, item := range paths {
		for method, operation := range item.(map[string]any) {
			if method == "parameters" {
				continue
			}
			ok := "200"
			if _, has := operation.(map[string]any)["responses"].(map[string]any)["204"]; has {
				ok = "204"
			}
			if !j.seen[method+" "+path+" "+ok] {
				t.Errorf("%s %s was never tried, or never worked", method, path)
			}
		}
	}
	for _, seen := range []string{"post " + httpapi.PathQuarantine + " 409", "post " + httpapi.PathRestore + " 404",
		"get " + httpapi.PathList + " 404", "get " + httpapi.PathDigest + " 409", "delete " + httpapi.PathTrial + "/{id} 400"} {
		if !j.seen[seen] {
			t.Errorf("%s was never seen", seen)
		}
	}
}

// Each refusal has the status in the document that the code gives it, and the document has no other.
func TestDocumentHasTheRefusals(t *testing.T) {
	t.Parallel()
	d := readDocument(t)
	want := map[string]int{}
	for schema, status := range map[string]int{"BadRequest": 400, "NotFound": 404, "Conflict": 409, "Busy": 503} {
		for _, code := range d.at("components", "schemas", schema, "properties", "code", "enum").([]any) {
			want[code.(string)] = status
		}
	}
	for code, status := range want {
		if sessions.Refusal(code) == nil || httpapi.Status(code) != status {
			t.Errorf("%s is %d in the document and %d in the code (%v)", code, status, httpapi.Status(code), sessions.Refusal(code))
		}
	}
	if len(want) != 11 {
		t.Errorf("the document has the refusals %v", slices.Sorted(maps.Keys(want)))
	}
}

// The fields of every message are those of its schema, and required are those that are always written.
func TestDocumentHasTheFields(t *testing.T) {
	t.Parallel()
	d := readDocument(t)
	for name, message := range map[string]any{
		"Session": sessions.Session{}, "Quarantined": sessions.Quarantined{}, "Membership": sessions.Membership{}, "Member": sessions.Member{},
		"Cut": sessions.Cut{}, "Replication": sessions.Replication{}, "Replica": sessions.Replica{}, "Page": sessions.Page{},
		"Digest": sessions.Digest{}, "Bucket": sessions.Bucket{}, "Order": sessions.Order{}, "Quarantine": sessions.Quarantine{},
		"Restore": sessions.Restore{}, "Sync": sessions.Sync{}, "Reconcile": sessions.Reconcile{}, "Recover": sessions.Recover{},
		"Item": sessions.Item{}, "Answered": sessions.Answer{}, "Synced": sessions.Synced{}, "Acked": sessions.Acked{},
		"Made": sessionstest.Made{}, "Kept": sessionstest.Kept{}, "Refused": httpapi.Refused{},
	} {
		all, required := map[string]bool{}, map[string]bool{}
		fieldsOf(reflect.TypeOf(message), all, required)
		wantAll, wantRequired := map[string]bool{}, map[string]bool{}
		d.properties(name, wantAll, wantRequired)
		if !maps.Equal(all, wantAll) || !maps.Equal(required, wantRequired) {
			t.Errorf("%s: the code has %v and always %v, the document %v and %v", name, all, required, wantAll, wantRequired)
		}
	}
}

// properties are those of a schema and of what it is based on.
func (d *document) properties(name string, all, required map[string]bool) {
	schema := d.root["components"].(map[string]any)["schemas"].(map[string]any)[name].(map[string]any)
	if ref, ok := schema["$ref"].(string); ok {
		d.properties(ref[strings.LastIndex(ref, "/")+1:], all, required)
	}
	if properties, ok := schema["properties"].(map[string]any); ok {
		for key := range properties {
			all[key] = true
		}
	}
	if list, ok := schema["required"].([]any); ok {
		for _, key := range list {
			required[key.(string)] = true
		}
	}
}

// fieldsOf are the JSON fields of a struct, embedded ones too.
func fieldsOf(of reflect.Type, all, required map[string]bool) {
	for i := range of.NumField() {
		f := of.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous:
			fieldsOf(f.Type, all, required)
		case name != "-":
			all[name] = true
			if options == "" {
				required[name] = true
			}
		}
	}
}

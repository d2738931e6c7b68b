package sessionstest

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/internal/sessions/httpapi"
	"github.com/firebreak-sre/firebreak/policy"
)

// maxBody bounds an order, in bytes.
const maxBody = 1 << 20

// Server is the endpoint of the contract before a store: what an application offers, with a [Memory] behind it for tests.
type Server struct {
	store  sessions.Store
	bench  Bench
	bearer policy.Secret
	mux    *http.ServeMux
}

// NewServer makes the endpoint. Without a bench there are no trials. An empty bearer lets everybody in.
func NewServer(store sessions.Store, bench Bench, bearer policy.Secret) *Server {
	s := &Server{store: store, bench: bench, bearer: bearer, mux: http.NewServeMux()}
	s.mux.HandleFunc("GET "+httpapi.PathStatus, func(w http.ResponseWriter, r *http.Request) {
		m, err := store.Membership(r.Context())
		reply(w, m, err)
	})
	s.mux.HandleFunc("GET "+httpapi.PathReplication, func(w http.ResponseWriter, r *http.Request) {
		m, err := store.Replication(r.Context())
		reply(w, m, err)
	})
	s.mux.HandleFunc("GET "+httpapi.PathCut, func(w http.ResponseWriter, r *http.Request) {
		c, err := store.Cut(r.Context())
		reply(w, c, err)
	})
	s.mux.HandleFunc("GET "+httpapi.PathList, s.list)
	s.mux.HandleFunc("GET "+httpapi.PathDigest, s.digest)
	s.mux.HandleFunc("POST "+httpapi.PathQuarantine, s.quarantine)
	s.mux.HandleFunc("POST "+httpapi.PathRestore, s.restore)
	s.mux.HandleFunc("POST "+httpapi.PathReconcile, s.reconcile)
	s.mux.HandleFunc("POST "+httpapi.PathRecover, s.recover)
	s.mux.HandleFunc("POST "+httpapi.PathSync, s.sync)
	if bench != nil {
		s.mux.HandleFunc("PUT "+httpapi.PathTrial+"/{id}", s.makeTrial)
		s.mux.HandleFunc("GET "+httpapi.PathTrial+"/{id}", s.trial)
		s.mux.HandleFunc("DELETE "+httpapi.PathTrial+"/{id}", s.removeTrial)
	}
	return s
}

// ServeHTTP lets in who has the token.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if s.bearer != "" && subtle.ConstantTimeCompare([]byte(token), []byte(s.bearer.Reveal())) != 1 {
		w.Header().Set("WWW-Authenticate", "Bearer")
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	s.mux.ServeHTTP(w, r)
}

func (s *Server) list(w http.ResponseWriter, r *http.Request) {
	q, err := httpapi.ParseQuery(r.URL.Query())
	var page sessions.Page
	if err == nil {
		page, err = s.store.List(r.Context(), q)
	}
	reply(w, page, err)
}

func (s *Server) digest(w http.ResponseWriter, r *http.Request) {
	node, cut, err := httpapi.ParseCut(r.URL.Query())
	var d sessions.Digest
	if err == nil {
		d, err = s.store.Digest(r.Context(), node, cut)
	}
	reply(w, d, err)
}

func (s *Server) quarantine(w http.ResponseWriter, r *http.Request) {
	var o sessions.Quarantine
	var a sessions.Answer
	err := order(w, r, &o)
	if err == nil {
		o.Action = r.Header.Get(httpapi.HeaderAction)
		a, err = s.store.Quarantine(r.Context(), o)
	}
	reply(w, a, err)
}

func (s *Server) restore(w http.ResponseWriter, r *http.Request) {
	var o sessions.Restore
	var a sessions.Answer
	err := order(w, r, &o)
	if err == nil {
		o.Action = r.Header.Get(httpapi.HeaderAction)
		a, err = s.store.Restore(r.Context(), o)
	}
	reply(w, a, err)
}

func (s *Server) reconcile(w http.ResponseWriter, r *http.Request) {
	var o sessions.Reconcile
	var a sessions.Answer
	err := order(w, r, &o)
	if err == nil {
		o.Action = r.Header.Get(httpapi.HeaderAction)
		a, err = s.store.Reconcile(r.Context(), o)
	}
	reply(w, a, err)
}

func (s *Server) recover(w http.ResponseWriter, r *http.Request) {
	var o sessions.Recover
	var a sessions.Answer
	err := order(w, r, &o)
	if err == nil {
		o.Action = r.Header.Get(httpapi.HeaderAction)
		a, err = s.store.Recover(r.Context(), o)
	}
	reply(w, a, err)
}

func (s *Server) sync(w http.ResponseWriter, r *http.Request) {
	var o sessions.Sync
	var a sessions.Synced
	err := order(w, r, &o)
	if err == nil {
		o.Action = r.Header.Get(httpapi.HeaderAction)
		a, err = s.store.Sync(r.Context(), o)
	}
	reply(w, a, err)
}

// errOrder is an order that cannot be read.
var errOrder = errors.New("the order cannot be read")

func order(w http.ResponseWriter, r *http.Request, into any) error {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return errors.Join(sessions.ErrRequest, errOrder, err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return errors.Join(sessions.ErrRequest, errOrder, err)
	}
	return nil
}

// reply writes what was found, or why not. What is no refusal of the contract is 500, and in doubt.
func reply(w http.ResponseWriter, body any, err error) {
	status := http.StatusOK
	if err != nil {
		code := sessions.Code(err)
		status = httpapi.Status(code)
		if status == 0 {
			status, code = http.StatusInternalServerError, "internal"
		}
		body = httpapi.Refused{Code: code, Detail: err.Error()}
	}
	text, err := json.Marshal(body)
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(text) // who asked may have gone
}

package client

import (
	"errors"
	"net/http"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/common"
	"github.com/failsafe-go/failsafe-go/policy"
)

// Gate is a policy of failsafe-go that refuses attempts while the edge is held, and counts. It belongs inside of a retry
// policy, so that it sees each attempt, and in front of a circuit breaker, so that what it refuses does not trip it:
//
//	failsafe.With(retryPolicy, client.Gate[R](edge), breaker)
//
// Each execution is one call. Its first attempt that succeeds is its success. An error is a failure of the dependency;
// so is an *http.Response of 429 or above 499. Use [GateIf] for other results.
func Gate[R any](edge *Edge) failsafe.Policy[R] { return GateIf[R](edge, nil) }

// GateIf is a [Gate] that asks failed which results without an error are failures of the dependency.
func GateIf[R any](edge *Edge, failed func(R) bool) failsafe.Policy[R] {
	if failed == nil {
		failed = func(r R) bool {
			response, ok := any(r).(*http.Response)
			return ok && response != nil && failedStatus(response.StatusCode)
		}
	}
	return gate[R]{edge: edge, failed: failed}
}

type gate[R any] struct {
	edge   *Edge
	failed func(R) bool
}

// ToExecutor is called once for each execution, which makes the executor the place for what belongs to one call.
func (g gate[R]) ToExecutor(_ R) any {
	e := &gateExecutor[R]{call: g.edge.Begin(), failed: g.failed}
	e.BaseExecutor = policy.BaseExecutor[R]{Executor: e}
	return e
}

type gateExecutor[R any] struct {
	policy.BaseExecutor[R]
	call   *Call
	failed func(R) bool
}

var _ policy.Executor[any] = (*gateExecutor[any])(nil)

// PreExecute refuses the attempt if the edge is held.
func (e *gateExecutor[R]) PreExecute(policy.ExecutionInternal[R]) *common.PolicyResult[R] {
	if err := e.call.Allow(); err != nil {
		return &common.PolicyResult[R]{Error: err, Done: true}
	}
	return nil
}

// PostExecute counts the attempt and passes its result on as it is.
func (e *gateExecutor[R]) PostExecute(_ policy.ExecutionInternal[R], r *common.PolicyResult[R]) *common.PolicyResult[R] {
	err := r.Error
	if err == nil && e.failed(r.Result) {
		err = errFailed
	}
	e.call.Done(err)
	if err == nil {
		e.call.End(nil)
	}
	return r
}

// errFailed stands for an answer that arrived and says failure.
var errFailed = errors.New("dependency failed")

// failedStatus says whether an HTTP status is the dependency's failure, not the request's.
func failedStatus(code int) bool {
	return code == http.StatusTooManyRequests || code >= http.StatusInternalServerError
}

// RoundTripper is base, or http.DefaultTransport, behind the edge. Each request is a call of one attempt, unless its
// context carries a [Call]. Retries that are made outside of it and do not carry one look like calls of their own.
func (e *Edge) RoundTripper(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	return roundTripper{edge: e, base: base}
}

type roundTripper struct {
	edge *Edge
	base http.RoundTripper
}

// RoundTrip refuses the request if the edge is held.
func (rt roundTripper) RoundTrip(r *http.Request) (*http.Response, error) {
	call, joined := rt.edge.callOf(r.Context())
	if !joined {
		call = rt.edge.Begin()
	}
	if err := call.Allow(); err != nil {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		if !joined {
			call.End(err)
		}
		return nil, err
	}
	response, err := rt.base.RoundTrip(r)
	outcome := err
	if err == nil && failedStatus(response.StatusCode) {
		outcome = errFailed
	}
	call.Done(outcome)
	if !joined {
		call.End(outcome)
	}
	return response, err
}

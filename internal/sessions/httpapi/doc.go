// Package httpapi reaches a session store that an application keeps itself, through the HTTP contract of deploy/sessions/openapi.yaml.
//
// One call is one request: nothing is followed, and nothing is sent twice. A redirect is an error, since what is behind it was not named by
// the policy. An answer is at most [MaxAnswer] bytes and is checked before it is believed. A POST carries its action as Idempotency-Key.
//
//	200                      done, or looked at: the body says what
//	400, 404, 409, 503       refused, if the body names a refusal of the contract; a proof that nothing was changed
//	anything else, or none   in doubt: the same action may be ordered again, and is done once at most
//
// A refusal counts only with the status that the contract gives it (see [Status]). Some proxy's own 503 proves nothing.
package httpapi

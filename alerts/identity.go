package alerts

import (
	"strconv"
	"time"
)

// Key identifies the news that one delivery of the alert brings. Two deliveries with the same key say the same
// thing: a retry, a repeat, a second receiver, the other peer of an HA pair, or a re-read over API v2.
//
// It holds the fingerprint, the status, when the alert started and, once it is resolved, when it ended, both
// cut to milliseconds because API v2 has no more. It holds neither the receiver nor anything else of the
// delivery, and no hash of the body: the peers of a pair differ in externalURL, and annotations carry values
// that change. Two Prometheus replicas can make StartsAt jump, so different keys may still be one incident.
func (a Alert) Key() string {
	key := make([]byte, 0, 64)
	key = append(key, a.Fingerprint...)
	key = append(key, '.')
	key = append(key, a.Status...)
	key = append(key, '.')
	key = strconv.AppendInt(key, a.StartsAt.UnixMilli(), 10)
	if a.Status == Resolved {
		key = append(key, '.')
		key = strconv.AppendInt(key, a.EndsAt.UnixMilli(), 10)
	}
	return string(key)
}

// Age is how long before now the alert was delivered to us. An alert without a time of delivery is older than
// any limit. The age is negative if it was delivered after now, as another worker's clock may say.
func (a Alert) Age(now time.Time) time.Duration { return now.Sub(a.Delivery.At) }

package alerts

import (
	"encoding/json"
	"fmt"

	"github.com/tidwall/gjson"
)

// Encode writes an alert as Parse would have cut it out of a body. It is for alerts that came another way, from Alertmanager's
// API. Its Delivery is left out: that is kept beside the alerts. An alert that is larger than [MaxAlert] loses annotations.
func Encode(a Alert) (Raw, error) {
	a.Delivery = Delivery{}
	line, err := json.Marshal(a)
	if err != nil {
		return nil, fmt.Errorf("encode alert %s: %w", a.Fingerprint, err)
	}
	body, err := Parse(append(append([]byte(`{"alerts":[`), line...), ']', '}'))
	if err != nil {
		return nil, fmt.Errorf("encode alert %s: %w", a.Fingerprint, err)
	}
	return body.Alerts[0], nil
}

// Status is the alert's own status, read without decoding the rest.
func (r Raw) Status() Status { return Status(gjson.GetBytes(r, "status").Str) }

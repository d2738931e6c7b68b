package alerts

import "fmt"

// The codes of a BodyError. The set is closed: each of them may be the value of a metric's label.
const (
	// CodeNotJSON means that the body is not one well-formed JSON value.
	CodeNotJSON string = "not_json"
	// CodeNotAnObject means that the body is JSON, but not a JSON object.
	CodeNotAnObject string = "not_an_object"
	// CodeNoAlertsArray means that the object has no array named alerts, or that it has two.
	CodeNoAlertsArray string = "no_alerts_array"
	// CodeAlertInvalid means that one alert of the array cannot be used; the message says which and why.
	CodeAlertInvalid string = "alert_invalid"
	// CodeTooDeep means that arrays and objects are nested deeper than any alert needs.
	CodeTooDeep string = "too_deep"
)

// BodyError says why a webhook body was refused. Sending the same body again cannot succeed, so the right
// answer to it is 400, which Alertmanager does not retry.
type BodyError struct {
	// Code is one of the Code constants.
	Code string
	// Message says what was found. It quotes no more than a few bytes of the body.
	Message string
	// Hint says what an operator can do about it, or is "".
	Hint string
}

// Error returns the code and the message, without the hint.
func (e *BodyError) Error() string { return fmt.Sprintf("webhook body: %s: %s", e.Code, e.Message) }

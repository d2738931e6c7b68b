package live

import (
	"context"
	"errors"
	"fmt"

	"github.com/prometheus/alertmanager/api/v2/client/alertgroup"
)

// Muted says which alerts that match all matchers are muted by time intervals on their way to a receiver ("" is any), and by which:
// names by fingerprint. The list of alerts itself does not say it; only the groups do, since muting is a matter of the
// route. Alertmanager before 0.28 tells it nowhere, and then nothing is muted as far as anybody can know.
func (c *Client) Muted(ctx context.Context, matchers []string, receiver string) (map[string][]string, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	answer, err := c.api.Alertgroup.GetAlertGroups(alertgroup.NewGetAlertGroupsParams().WithContext(ctx).WithTimeout(c.timeout).WithFilter(matchers))
	if err != nil {
		return nil, fmt.Errorf("list alert groups of %s: %w", c.url, err)
	}
	if answer.Payload == nil {
		return nil, fmt.Errorf("list alert groups of %s: %w", c.url, errors.New("the answer is not a list"))
	}
	muted := map[string][]string{}
	for _, g := range answer.Payload {
		if g == nil || g.Receiver == nil || g.Receiver.Name == nil || receiver != "" && *g.Receiver.Name != receiver {
			continue
		}
		for _, a := range g.Alerts {
			if a != nil && a.Fingerprint != nil && a.Status != nil && len(a.Status.MutedBy) > 0 {
				muted[*a.Fingerprint] = a.Status.MutedBy
			}
		}
	}
	return muted, nil
}

package monitor

import (
	"context"
	"time"
)

// report logs what has changed every period until ctx ends.
func (m *Monitor) report(ctx context.Context) {
	if m.period <= 0 {
		<-ctx.Done()
		return
	}
	m.log.Info().Msgf("Starting metrics logging every %v", m.period)
	tick := time.NewTicker(m.period)
	defer tick.Stop()
	var before leaves
	for {
		select {
		case <-tick.C:
			before = m.logChanges(ctx, before)
		case <-ctx.Done():
			return
		}
	}
}

// logChanges logs one line and returns what the next one compares with.
func (m *Monitor) logChanges(ctx context.Context, before leaves) leaves {
	n, err := m.numbers(ctx)
	if err != nil {
		if ctx.Err() == nil {
			m.log.Warn().Err(err).Msg("no metrics this time")
		}
		return before
	}
	now := m.leaves(n)
	m.logTree(m.log.Info(), n, now.since(before), "Non-zero metrics in the last "+m.period.String())
	return now
}

// logTotals logs the last lines, once what is watched has ended.
func (m *Monitor) logTotals(ctx context.Context) {
	if m.period <= 0 {
		return
	}
	if n, err := m.numbers(ctx); err != nil {
		m.log.Warn().Err(err).Msg("no metrics at the end")
	} else {
		m.logTree(m.log.Info(), n, m.leaves(n), "Total metrics")
	}
	m.log.Info().Msgf("Uptime: %v", m.uptime())
	m.log.Info().Msg("Stopping metrics logging.")
}

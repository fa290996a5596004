package config

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"sluice/recorder"
	"sluice/tailer"
)

// MQTTSource is the recorder's source of an input of type mqtt.
func MQTTSource(in *tailer.InputConfig) recorder.MQTTConfig {
	c := recorder.DefaultMQTTConfig()
	c.Name, c.Quiet = in.Series(), true
	c.Hosts, c.ClientID, c.Username, c.Password = in.Hosts, in.ClientID, in.Username, in.Password
	c.QoS, c.CleanSession, c.SSL = &in.QoS, in.CleanSession, in.SSL
	c.MaxPayload = tailer.MaxPayload
	c.Topics = nil
	for i, topic := range in.Topics {
		if !slices.Contains(in.Topics[:i], topic) {
			c.Topics = append(c.Topics, recorder.TopicConfig{Topic: topic})
		}
	}
	return c
}

// InputSpool is where the segments of inputs of type mqtt are: as recorder.spool
// says, without a recorder in ${path.data}/spool.
func (c *Config) InputSpool() recorder.SpoolConfig {
	if c.Recorder != nil {
		return c.Recorder.Spool
	}
	spool := recorder.DefaultConfig().Spool
	spool.Path = filepath.Join(c.Path.Data, "spool")
	return spool
}

// RegistryPath is where the registry is, absolute if path.data is.
func (c *Config) RegistryPath() string {
	if path := c.Filebeat.Registry.Path; filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(c.Path.Data, c.Filebeat.Registry.Path)
}

// ClockConfig says what is done with records of before the clock was right.
func (c *Config) ClockConfig() recorder.ClockConfig {
	if c.Recorder != nil {
		return c.Recorder.Clock
	}
	return recorder.DefaultConfig().Clock
}

// checkMQTT lets the recorder check the options of mqtt inputs.
func checkMQTT(inputs []tailer.InputConfig, root *node, f *faults) {
	for i := range inputs {
		if in := &inputs[i]; in.IsMQTT() {
			source := MQTTSource(in)
			trace(root, source.Validate(), fmt.Sprintf("filebeat.inputs.%d", i), f)
		}
	}
}

// checkSeries keeps the names of the segments of mqtt inputs for them.
func (c *Config) checkSeries(f *faults) {
	if c.Recorder == nil {
		return
	}
	check := func(kind string, i int, series string) {
		if strings.HasPrefix(series, tailer.SeriesPrefix) {
			name := fmt.Sprintf("recorder.%s.%d.name", kind, i)
			f.add(c.root.locate(name), name, "%q begins with %s, as only the segments of mqtt inputs do; choose another name", series, tailer.SeriesPrefix)
		}
	}
	for i := range c.Recorder.MQTT {
		check("mqtt", i, c.Recorder.MQTT[i].Name)
	}
	for i := range c.Recorder.Serial {
		check("serial", i, c.Recorder.Serial[i].Name)
	}
}

// checkClashes refuses mqtt inputs that can't run beside each other or beside
// others. at is the place of an option.
func checkClashes(inputs, others []tailer.InputConfig, at func(option string) position, f *faults) {
	for i := range inputs {
		for _, other := range slices.Concat(others, inputs[:i]) {
			if err := inputs[i].Clash(&other); err != nil {
				field, text := fieldOf(err)
				name := fmt.Sprintf("filebeat.inputs.%d.%s", i, field)
				f.add(at(name), name, "%s", text)
				break
			}
		}
	}
}

// inputTLS are the ssl.* sections of the mqtt inputs.
func (c *Config) inputTLS() []tlsSection {
	var sections []tlsSection
	for i := range c.Filebeat.Inputs {
		if in := &c.Filebeat.Inputs[i]; in.Enabled && in.IsMQTT() {
			sections = append(sections, tlsSection{fmt.Sprintf("filebeat.inputs.%d.ssl", i), &in.SSL})
		}
	}
	return sections
}

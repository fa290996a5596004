package processor

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	"sluice/internal/event"
)

// decoded is the field that a decoder reads, and where the result goes.
type decoded struct {
	// From is the field's name. Required.
	From string `config:"from"`
	// To is the field that takes the result; what is there is replaced.
	// Default: the one that is read.
	To string `config:"to"`
}

// textError says that a field is no text.
func textError(v any) error {
	return fmt.Errorf("invalid type for `from`, expecting a string received %T", v)
}

// Decodes a field from base64, with or without the = at its end. An error
// leaves the event as it is and stands in error.message. Filebeat:
// decode_base64_field.
type decodeBase64 struct {
	// Field is the field to decode.
	Field decoded `config:"field"`
	// IgnoreMissing takes a field that is not there for no error. Default: false.
	IgnoreMissing bool `config:"ignore_missing"`
	// FailOnError puts an error into error.message. Default: true.
	FailOnError bool `config:"fail_on_error"`

	Common `config:",squash"`
}

func (o *decodeBase64) Validate() error {
	return required("field.from", o.Field.From != "", "payload")
}

func (o *decodeBase64) compile(Env) (step, error) {
	to := o.Field.To
	if to == "" {
		to = o.Field.From
	}
	return change(func(e *event.Event) error {
		return decodeOne(e, o.FailOnError, "failed to decode base64 fields in processor", func() error { return o.decode(e, to) })
	}), nil
}

// decodeOne runs the decoder of one field, which changes the event last of
// all, and notes its error in error.message if that is wanted.
func decodeOne(e *event.Event, failOnError bool, prefix string, decode func() error) error {
	err := decode()
	if err == nil {
		return nil
	}
	err = fmt.Errorf("%s: %w", prefix, err)
	if failOnError {
		e.SetError(err.Error(), "")
	}
	return unless(failOnError, err)
}

func (o *decodeBase64) decode(e *event.Event, to string) error {
	v, err := e.Get(o.Field.From)
	if err != nil {
		if o.IgnoreMissing && errors.Is(err, event.ErrNotFound) {
			return nil
		}
		return fmt.Errorf("could not fetch base64 value for key: %s, Error: %s", o.Field.From, reason(err))
	}
	text, ok := v.(string)
	if !ok {
		return textError(v)
	}
	plain, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil {
		return fmt.Errorf("error trying to decode %s: %w", text, err)
	}
	return putTo(e, to, string(plain))
}

func putTo(e *event.Event, to string, v any) error {
	if _, err := e.Put(to, v); err != nil {
		return fmt.Errorf("could not put value: %s: %v, %s", to, shown(v), reason(err))
	}
	return nil
}

// Decodes a field from gzip. An error leaves the event as it is and stands in
// error.message. Filebeat: decompress_gzip_field.
type decompressGzip struct {
	// Field is the field to decompress. Without field.to the result goes to the
	// field with the empty name, as in Filebeat.
	Field decoded `config:"field"`
	// IgnoreMissing takes a field that is not there for no error. Default: false.
	IgnoreMissing bool `config:"ignore_missing"`
	// FailOnError puts an error into error.message. Default: true.
	FailOnError bool `config:"fail_on_error"`

	Common `config:",squash"`
}

// maxGunzipped bounds what a field may become, as a message is bounded.
const maxGunzipped = 10 << 20

func (o *decompressGzip) Validate() error {
	return required("field.from", o.Field.From != "", "payload")
}

func (o *decompressGzip) warnings() []*OptionError {
	if o.Field.To != "" {
		return nil
	}
	return []*OptionError{{"field.to", "is not given: the result goes to the field with the empty name, as in Filebeat"}}
}

func (o *decompressGzip) compile(Env) (step, error) {
	return change(func(e *event.Event) error {
		return decodeOne(e, o.FailOnError, "Failed to decompress field in decompress_gzip_field processor", func() error { return o.decompress(e) })
	}), nil
}

func (o *decompressGzip) decompress(e *event.Event) error {
	v, missing, err := fetch(e, o.Field.From, o.IgnoreMissing)
	if err != nil || missing {
		return err
	}
	text, ok := v.(string)
	if !ok {
		return fmt.Errorf("cannot decompress type %s", shown(v))
	}
	r, err := gzip.NewReader(strings.NewReader(text))
	if err != nil {
		return fmt.Errorf("error decompressing field %s: %w", o.Field.From, err)
	}
	var b bytes.Buffer
	if _, err := io.Copy(&b, io.LimitReader(r, maxGunzipped+1)); err != nil {
		return fmt.Errorf("error while decompressing field: %w", err)
	}
	if b.Len() > maxGunzipped {
		return fmt.Errorf("error decompressing field %s: it is larger than %d bytes", o.Field.From, maxGunzipped)
	}
	return putTo(e, o.Field.To, b.String())
}

// Decodes fields from the form of URLs: %20 and + are a space. An error undoes
// all and stands in error.message. Filebeat: urldecode.
type urlDecode struct {
	// Fields are the sections with from and to. Required.
	Fields []decoded `config:"fields"`
	// IgnoreMissing takes a field that is not there for no error. Default: false.
	IgnoreMissing bool `config:"ignore_missing"`
	// FailOnError undoes all when one field fails; else the others are still
	// decoded, and error.message is not set. Default: true.
	FailOnError bool `config:"fail_on_error"`

	Common `config:",squash"`
}

func (o *urlDecode) Validate() error {
	if len(o.Fields) == 0 {
		return fault("fields", "is required: a list of sections with from and to")
	}
	var errs []error
	for i, f := range o.Fields {
		errs = append(errs, required("fields."+strconv.Itoa(i)+".from", f.From != "", "url.query"))
	}
	return errors.Join(errs...)
}

func (o *urlDecode) compile(Env) (step, error) {
	return change(func(e *event.Event) error {
		return eachOf(e, len(o.Fields), o.FailOnError, "failed to decode fields in urldecode processor", func(i int) error {
			return o.decode(e, o.Fields[i])
		})
	}), nil
}

func (o *urlDecode) decode(e *event.Event, f decoded) error {
	v, missing, err := fetch(e, f.From, o.IgnoreMissing)
	if err != nil || missing {
		return err
	}
	text, ok := v.(string)
	if !ok {
		return textError(v)
	}
	plain, err := url.QueryUnescape(text)
	if err != nil {
		return fmt.Errorf("error trying to URL-decode %s: %w", text, err)
	}
	to := f.To
	if to == "" {
		to = f.From
	}
	return putTo(e, to, plain)
}

// Makes a number of a text such as 1m30s, in place. What is no duration stays
// as it is, without an error.message. Filebeat: decode_duration.
type decodeDuration struct {
	// Field is the field with the duration. Required.
	Field string `config:"field"`
	// Format is milliseconds (a whole number), seconds, minutes or hours. Any
	// other name counts as milliseconds, as in Filebeat. Default: milliseconds.
	Format string `config:"format"`

	Common `config:",squash"`
}

var durationFormats = map[string]func(time.Duration) any{
	"milliseconds": func(d time.Duration) any { return d.Milliseconds() },
	"seconds":      func(d time.Duration) any { return d.Seconds() },
	"minutes":      func(d time.Duration) any { return d.Minutes() },
	"hours":        func(d time.Duration) any { return d.Hours() },
}

func (o *decodeDuration) Validate() error {
	return required("field", o.Field != "", "app.rpc.cost")
}

func (o *decodeDuration) warnings() []*OptionError {
	if durationFormats[o.Format] != nil {
		return nil
	}
	return []*OptionError{{"format", fmt.Sprintf("%q counts as milliseconds; use milliseconds, seconds, minutes or hours", o.Format)}}
}

func (o *decodeDuration) compile(Env) (step, error) {
	convert := durationFormats[o.Format]
	if convert == nil {
		convert = durationFormats["milliseconds"]
	}
	return change(func(e *event.Event) error {
		v, err := e.Get(o.Field)
		if err != nil {
			return fmt.Errorf("decode %s: %w", o.Field, err)
		}
		text, ok := v.(string)
		if !ok {
			return fmt.Errorf("decode %s: it is a %T, no text", o.Field, v)
		}
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("decode %s: %w", o.Field, err)
		}
		_, err = e.Put(o.Field, convert(d))
		return err
	}), nil
}

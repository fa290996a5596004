package golden

const (
	unknownOption = "an unknown option is refused, with the name that was probably meant: what it should do would silently not be done"
	givenTwice    = "an option that is given twice is refused: the first would silently not count"
)

// differences are the cases in which sluice differs from Filebeat 9.0 on
// purpose, and why. Each must differ.
var differences = map[string]string{
	"config/duplicate-keys-nested":            givenTwice,
	"config/duplicate-keys-top":               givenTwice,
	"config/silent-E-unknown-key":             unknownOption,
	"config/silent-option-case":               unknownOption,
	"config/silent-processors-as-map":         "processors that are no list are refused: Filebeat ignores them all",
	"config/silent-rename-unknown-option":     unknownOption,
	"config/silent-unknown-filestream-option": unknownOption,
	"config/silent-unknown-output-option":     unknownOption,
	"config/silent-unknown-top-level":         unknownOption,
	"config/yaml-booleans":                    unknownOption,

	"inputs/life-overwrite-longer":       "a file that is overwritten in place is seen by its first bytes and sent from its beginning: Filebeat loses the lines that took the place of others",
	"processors/fingerprint-of-map":      "an event that has no fingerprint stays: Filebeat loses it",
	"processors/fingerprint-value-types": "an event that has no fingerprint stays: Filebeat loses it",
	"inputs/general-pipeline-and-index":  "an index that names a field which events don't have leaves @metadata.raw_index out: Filebeat drops every event",
}

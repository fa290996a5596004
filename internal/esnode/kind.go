package esnode

// Kind is what to start. The zero Kind is OpenSearch.
type Kind int

// The kinds; the package's comment has what each can do.
const (
	OpenSearch Kind = iota
	Elasticsearch7
	Elasticsearch8
)

// Kinds are all kinds.
var Kinds = []Kind{OpenSearch, Elasticsearch7, Elasticsearch8}

// The versions. The security plugin's is the server's with ".0" behind it: of
// 2.19, Maven Central has that of 2.19.1.
const (
	OpenSearchVersion     = "2.19.1"
	Elasticsearch7Version = "7.10.2"
	Elasticsearch8Version = "8.19.5"
)

// String returns the kind's name, which is that of its folder in maven.
func (k Kind) String() string {
	return [...]string{"opensearch", "elasticsearch7", "elasticsearch8"}[k]
}

// Version returns the server's version.
func (k Kind) Version() string {
	return [...]string{OpenSearchVersion, Elasticsearch7Version, Elasticsearch8Version}[k]
}

// log4j is the version that the server was built with.
func (k Kind) log4j() string { return [...]string{"2.21.0", "2.11.1", "2.19.0"}[k] }

// product is the word in the names of the settings file and of the properties
// of a plugin's description.
func (k Kind) product() string { return [...]string{"opensearch", "elasticsearch", "elasticsearch"}[k] }

// property is the prefix of system properties.
func (k Kind) property() string { return [...]string{"opensearch", "es", "es"}[k] }

// module is a part of the server with a class loader of its own.
type module struct {
	name, class string
	// extends names the module whose classes this one sees, if any.
	extends string
	// jars are the beginnings of the names of its jars.
	jars []string
}

var (
	netty    = module{name: "transport-netty4", class: "transport.Netty4Plugin", jars: []string{"transport-netty4-client-", "netty-"}}
	painless = module{name: "lang-painless", class: "painless.PainlessPlugin",
		jars: []string{"lang-painless-", "opensearch-scripting-painless-spi-", "scripting-painless-spi-", "antlr4-", "asm-"}}
	ingest = module{name: "ingest-common", class: "ingest.common.IngestCommonPlugin", extends: "lang-painless",
		jars: []string{"ingest-common-", "opensearch-grok-", "opensearch-dissect-", "grok-", "dissect-", "joni-", "jcodings-"}}
	analysis = module{name: "analysis-common", class: "analysis.common.CommonAnalysisPlugin", extends: "lang-painless",
		jars: []string{"analysis-common-"}}
	reindex = module{name: "reindex", class: "index.reindex.ReindexPlugin",
		jars: []string{"reindex-", "opensearch-rest-client-", "elasticsearch-rest-client-", "http", "commons-", "opensearch-ssl-config-", "ssl-config-"}}
	mustache = module{name: "lang-mustache", class: "script.mustache.MustachePlugin", jars: []string{"lang-mustache-", "compiler-"}}
	mapper   = module{name: "mapper-extras", class: "index.mapper.MapperExtrasPlugin", jars: []string{"mapper-extras-"}}

	netty8 = module{name: "transport-netty4", class: "transport.netty4.Netty4Plugin",
		jars: []string{"transport-netty4-", "netty-", "elasticsearch-ssl-config-"}}
	// restRoot is ours: its jar is made from the class that Maven compiled.
	restRoot = module{name: "rest-root", class: "RestRootPlugin"}
)

func (k Kind) modules() []module {
	if k == Elasticsearch8 {
		return []module{netty8, restRoot}
	}
	return []module{netty, painless, ingest, analysis, reindex, mustache, mapper}
}

// className returns the whole name of a module's class.
func (k Kind) className(m module) string {
	if m.name == restRoot.name {
		return m.class
	}
	return "org." + k.product() + "." + m.class
}

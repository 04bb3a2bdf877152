//! A transformers text-classification pipeline behind actix-web, called through PyO3.

use std::path::PathBuf;

use actix_web::error::{ErrorInternalServerError, ErrorUnprocessableEntity};
use actix_web::{App, HttpServer, post, web};
use clap::Parser;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde::{Deserialize, Serialize};

#[derive(Parser)]
struct Options {
    /// The directory of the model and its tokenizer
    #[arg(long)]
    model: PathBuf,
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// torch's threads; torch's own choice unless given
    #[arg(long)]
    threads: Option<usize>,
    /// torch's name of where to compute
    #[arg(long, default_value = "cpu")]
    device: String,
}

#[derive(Deserialize)]
struct Request {
    inputs: Inputs,
}

#[derive(Deserialize, IntoPyObjectRef)]
#[serde(untagged)]
enum Inputs {
    #[pyo3(transparent)]
    One(String),
    #[pyo3(transparent)]
    Several(Vec<String>),
}

#[derive(FromPyObject, Serialize)]
#[pyo3(from_item_all)]
struct Classification {
    label: String,
    score: f64,
}

struct Pipeline(Py<PyAny>);

impl Pipeline {
    fn load(options: &Options) -> PyResult<Self> {
        Python::attach(|py| {
            let torch = py.import("torch")?;
            if let Some(threads) = options.threads {
                torch.call_method1("set_num_threads", (threads,))?;
            }
            let arguments = PyDict::new(py);
            arguments.set_item("model", options.model.to_string_lossy())?;
            arguments.set_item("dtype", torch.getattr("float32")?)?;
            arguments.set_item("device", &options.device)?;
            let pipeline = py.import("transformers")?.call_method(
                "pipeline",
                ("text-classification",),
                Some(&arguments),
            )?;
            Ok(Self(pipeline.unbind()))
        })
    }

    fn classify(&self, inputs: &Inputs) -> PyResult<Vec<Classification>> {
        Python::attach(|py| self.0.bind(py).call1((inputs,))?.extract())
    }
}

#[post("/age")]
async fn age(
    pipeline: web::Data<Pipeline>,
    request: web::Json<Request>,
) -> actix_web::Result<web::Json<Vec<Classification>>> {
    // On a thread of the blocking pool, because Python would hold up the other connections of this worker.
    let answer = web::block(move || pipeline.classify(&request.inputs)).await?;
    answer.map(web::Json).map_err(http_error)
}

fn http_error(error: PyErr) -> actix_web::Error {
    let of_the_input = Python::attach(|py| {
        error.is_instance_of::<PyValueError>(py) || error.is_instance_of::<PyTypeError>(py)
    });
    if of_the_input {
        ErrorUnprocessableEntity(error)
    } else {
        ErrorInternalServerError(error)
    }
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let options = Options::parse();
    Python::initialize();
    let pipeline = web::Data::new(Pipeline::load(&options).map_err(std::io::Error::other)?);
    HttpServer::new(move || App::new().app_data(pipeline.clone()).service(age))
        .bind(("127.0.0.1", options.port))?
        .run()
        .await
}

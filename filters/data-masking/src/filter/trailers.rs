//! Trailers: what is masked behind a body.

use palisade_sdk::exchange::{Body, ReadOnly, RequestSide, ResponseSide, Side, Trailers};
use palisade_sdk::{HeaderMap, Reply, Response};

use super::{DataMasking, Place};
use crate::config::Masking;
use crate::headers::{self, Lines};

impl DataMasking {
    pub(super) async fn request_trailers(
        &self,
        masking: &Masking,
        body: Body<Self, RequestSide, ReadOnly>,
        is_rewritten: bool,
    ) -> Result<Response<Self>, Reply> {
        // A request of which nothing is awaited may be answered before it is complete.
        if !is_rewritten && !self.masks_trailers(Place::Request) {
            return Ok(body.response().await);
        }
        match body.trailers_or_response().await? {
            Ok(mut trailers) => {
                self.trailers(masking, Place::Request, &mut trailers, is_rewritten)?;
                Ok(trailers.response().await)
            }
            Err(response) => Ok(response),
        }
    }

    pub(super) async fn response_trailers(
        &self,
        masking: &Masking,
        body: Body<Self, ResponseSide, ReadOnly>,
        is_rewritten: bool,
    ) -> Result<(), Reply> {
        if !is_rewritten && !self.masks_trailers(Place::Response) {
            return Ok(());
        }
        match body.trailers().await? {
            Some(mut trailers) => self.trailers(masking, Place::Response, &mut trailers, is_rewritten),
            None => Ok(()),
        }
    }

    fn masks_trailers(&self, place: Place) -> bool {
        let applies = place.applies();
        self.config.headers.iter().any(|rule| applies(&rule.directions))
    }

    /// Masks trailers; those about the exact bytes of a body that is no longer the same go.
    fn trailers<S: Side>(
        &self,
        masking: &Masking,
        place: Place,
        trailers: &mut Trailers<Self, S>,
        is_rewritten: bool,
    ) -> Result<(), Reply> {
        for (name, values) in self.trailer_lines(masking, place, &trailers.fields()?, is_rewritten)? {
            match values.is_empty() {
                true => trailers.remove(&name)?,
                false => trailers.set(&name, values.join(&b", "[..]))?,
            }
        }
        Ok(())
    }

    /// The trailers that are to be written anew.
    fn trailer_lines(
        &self,
        masking: &Masking,
        place: Place,
        fields: &HeaderMap,
        is_rewritten: bool,
    ) -> Result<Lines, Reply> {
        let mut lines = self.lines(masking, place, fields)?;
        if is_rewritten {
            headers::correct(fields, &mut lines);
        }
        Ok(lines)
    }
}
